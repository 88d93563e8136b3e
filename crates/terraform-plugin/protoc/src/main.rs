//! The part of `protoc`'s command line that the build scripts of prost and tonic use, on top of protox.
//!
//! Owns: `-I`, `-o`/`--descriptor_set_out` and the file names. Never does: code generation; prost does that from the
//! descriptor set. The well-known types are built into protox.

use std::error::Error;

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    let mut includes: Vec<String> = Vec::new();
    let mut files: Vec<String> = Vec::new();
    let mut output = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--version" => {
                println!("libprotoc 33.0");
                return Ok(());
            }
            "-I" | "--proto_path" => includes.extend(arguments.next()),
            "-o" | "--descriptor_set_out" => output = arguments.next(),
            other => {
                if let Some(path) = other.strip_prefix("--proto_path=").or(other.strip_prefix("-I")) {
                    includes.push(path.to_owned());
                } else if let Some(path) = other.strip_prefix("--descriptor_set_out=").or(other.strip_prefix("-o")) {
                    output = Some(path.to_owned());
                } else if !other.starts_with('-') {
                    files.push(other.to_owned());
                }
            }
        }
    }
    let output = output.ok_or("no output: give -o FILE")?;
    let mut compiler = protox::Compiler::new(includes)?;
    compiler.include_imports(true).include_source_info(true).open_files(files)?;
    std::fs::write(output, compiler.file_descriptor_set().encode_to_vec())?;
    Ok(())
}
