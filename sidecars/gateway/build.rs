//! Says what the binary is made of besides its source.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
    // The web page, if it is built: without this a page that is built later would not be taken in.
    println!("cargo::rerun-if-changed=../../ui/dist");
}
