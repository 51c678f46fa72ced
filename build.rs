//! Gives porttop.exe its manifest, icon and version resource. Other systems have nothing to build.

use std::env::var_os;

const MANIFEST: &str = "assets/porttop.exe.manifest";
const ICON: &str = "assets/porttop.ico";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={MANIFEST}");
    println!("cargo::rerun-if-changed={ICON}");
    if var_os("CARGO_CFG_WINDOWS").is_none() {
        return;
    }
    let mut resource = winresource::WindowsResource::new();
    resource.set_manifest_file(MANIFEST).set_icon(ICON);
    // The resource compiler comes with the linker. Who only checks the code may have neither.
    if let Err(error) = resource.compile() {
        println!("cargo::warning=porttop.exe gets no manifest, no icon and no version: {error}");
    }
}
