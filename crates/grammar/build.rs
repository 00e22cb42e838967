//! Collects the pages of docs/errors, so that `gofer explain` needs nothing but the program.

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

const PAGES: &str = "../../docs/errors";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={PAGES}");
    let dir = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join(PAGES);
    let mut pages: Vec<PathBuf> =
        fs::read_dir(dir)?.filter_map(Result::ok).map(|entry| entry.path()).collect();
    pages.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    pages.sort();
    let mut code = String::from("static PAGES: &[(&str, &str)] = &[\n");
    for page in pages {
        let name = page.file_stem().and_then(|name| name.to_str()).ok_or("a page without a name")?;
        writeln!(code, "    ({name:?}, include_str!({:?})),", page.display().to_string())?;
    }
    code.push_str("];\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("pages.rs"), code)?;
    Ok(())
}
