//! Compiles the `.proto` files with protox, which needs no `protoc` on the machine, and keeps their descriptors for
//! gRPC reflection.

use std::error::Error;
use std::path::PathBuf;

const PROTOS: [&str; 13] = [
    "tidegate/v1/rejects.proto",
    "tidegate/v1/types.proto",
    "tidegate/v1/routes.proto",
    "tidegate/v1/controls.proto",
    "tidegate/v1/events.proto",
    "tidegate/v1/orders.proto",
    "tidegate/v1/market_data.proto",
    "tidegate/v1/accounts.proto",
    "tidegate/v1/admin.proto",
    "tidegate/v1/desk.proto",
    "tidegate/v1/risk.proto",
    "tidegate/v1/latency.proto",
    "tidegate/v1/backtest.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_files(PROTOS)?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("tidegate_v1.bin"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure().compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
