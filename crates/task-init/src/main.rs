//! The first process of a container.

fn main() {}
