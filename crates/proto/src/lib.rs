//! Generated code of the public API, and nothing else.
//!
//! The contract is `proto/gofer/v1/*.proto`; its documents are the documents here. Who serves it is `gofer-api`, who
//! calls it is `gofer-client`.

/// Version 1 of the API.
pub mod v1 {
    #![expect(
        unused_qualifications,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        clippy::too_many_lines,
        reason = "generated code has manners of its own"
    )]

    tonic::include_proto!("gofer.v1");
}

/// The encoded `FileDescriptorSet` of the contract, with its comments, options and imports: for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/gofer.v1.bin"));

/// The number of the API that this code speaks. It rises only when a client of an older number can no longer be served.
pub const API: u32 = 1;
