//! What porttop.exe needs of the Windows it is copied to, and what it says of itself.
#![cfg(windows)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't set itself up has failed")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;

use object::LittleEndian as LE;
use object::pe::{ImageNtHeaders64, RT_GROUP_ICON, RT_ICON, RT_MANIFEST, RT_VERSION};
use object::read::pe::{ImageThunkData, PeFile64, ResourceDirectoryEntryData};
use porttop::platform::Platform;

/// DLLs that every Windows from 8.1 and Server 2012 R2 on has.
const EVERYWHERE: &[&str] = &[
    "advapi32.dll",
    "api-ms-win-core-synch-l1-2-0.dll",
    "api-ms-win-core-winrt-error-l1-1-0.dll",
    "bcryptprimitives.dll",
    "combase.dll",
    "iphlpapi.dll",
    "kernel32.dll",
    "netapi32.dll",
    "ntdll.dll",
    "oleaut32.dll",
    "pdh.dll",
    "powrprof.dll",
    "psapi.dll",
    "rpcrt4.dll",
    "secur32.dll",
    "shell32.dll",
    "user32.dll",
    "userenv.dll",
    "wevtapi.dll",
    "ws2_32.dll",
];

/// The C runtime that comes with Windows, which MinGW links; that of Visual Studio does not, and is a part of the program.
const C_RUNTIME: &[&str] = if cfg!(target_env = "msvc") { &[] } else { &["msvcrt.dll"] };

/// Where it is no part of it, the program does not start on a Windows that it is copied to.
const _: () =
    assert!(!cfg!(target_env = "msvc") || cfg!(target_feature = "crt-static"), "see .cargo/config.toml");

/// Functions that some Windows from 8.1 on, or Wine, do not have: loaded at run time or not at all.
const NOT_EVERYWHERE: [&str; 8] = [
    "InternalGetBoundTcpEndpointTable",
    "InternalGetBoundTcp6EndpointTable",
    "I_QueryTagInformation",
    "IsProcessCritical",
    "GetOwnerModuleFromTcpEntry",
    "CreatePseudoConsole",
    "SetThreadDescription",
    "GetTempPath2W",
];

/// The functions that an executable imports, by DLL.
fn imports(exe: &Path) -> BTreeMap<String, Vec<String>> {
    let bytes = std::fs::read(exe).unwrap();
    let file = PeFile64::parse(&*bytes).unwrap();
    let table = file.import_table().unwrap().unwrap();
    let mut imports = BTreeMap::new();
    let mut descriptors = table.descriptors().unwrap();
    while let Some(descriptor) = descriptors.next().unwrap() {
        let name = String::from_utf8_lossy(table.name(descriptor.name.get(LE)).unwrap()).to_lowercase();
        let first = match descriptor.original_first_thunk.get(LE) {
            0 => descriptor.first_thunk.get(LE),
            first => first,
        };
        let mut thunks = table.thunks(first).unwrap();
        let functions: &mut Vec<String> = imports.entry(name).or_default();
        while let Some(thunk) = thunks.next::<ImageNtHeaders64>().unwrap() {
            if !thunk.is_ordinal() {
                let (_, function) = table.hint_name(thunk.address()).unwrap();
                functions.push(String::from_utf8_lossy(function).into_owned());
            }
        }
    }
    imports
}

fn assert_runs_everywhere(exe: &Path) {
    let imports = imports(exe);
    assert!(imports.contains_key("kernel32.dll"), "{imports:?}");
    for (dll, functions) in &imports {
        let is_there = EVERYWHERE.iter().chain(C_RUNTIME).any(|there| there == dll);
        assert!(is_there, "{dll} is imported by {}", exe.display());
        for function in functions {
            assert!(
                !NOT_EVERYWHERE.contains(&function.as_str()),
                "{function} of {dll} must be loaded at run time"
            );
        }
    }
}

#[test]
fn the_program_needs_only_what_every_windows_has() {
    assert_runs_everywhere(Path::new(env!("CARGO_BIN_EXE_porttop")));
}

/// This test links the whole platform, whatever the program uses of it.
#[test]
fn the_platform_needs_only_what_every_windows_has() {
    black_box(Platform::open as fn(_) -> _);
    assert_runs_everywhere(&std::env::current_exe().unwrap());
}

/// The data of the first resource of a type.
fn resource(bytes: &[u8], wanted: u16) -> Option<Vec<u8>> {
    let file = PeFile64::parse(bytes).unwrap();
    let sections = file.section_table();
    let directory = file.data_directories().resource_directory(bytes, &sections).unwrap()?;
    let root = directory.root().unwrap();
    let entry = root.entries.iter().find(|entry| entry.name_or_id().id() == Some(wanted))?;
    let mut data = entry.data(directory).unwrap();
    loop {
        match data {
            ResourceDirectoryEntryData::Table(table) => {
                data = table.entries.first()?.data(directory).unwrap();
            }
            ResourceDirectoryEntryData::Data(found) => {
                let all = sections.pe_data_at(bytes, found.offset_to_data.get(LE))?;
                return Some(all[..found.size.get(LE) as usize].to_vec());
            }
        }
    }
}

#[test]
fn the_program_carries_its_manifest_icon_and_version() {
    let bytes = std::fs::read(env!("CARGO_BIN_EXE_porttop")).unwrap();
    assert!(resource(&bytes, RT_GROUP_ICON).is_some() && resource(&bytes, RT_ICON).is_some());
    let manifest = String::from_utf8(resource(&bytes, RT_MANIFEST).expect("a manifest")).unwrap();
    for wanted in ["asInvoker", "longPathAware", "UTF-8</activeCodePage>"] {
        assert!(manifest.contains(wanted), "{wanted} is not in {manifest}");
    }
    let version = resource(&bytes, RT_VERSION).expect("a version");
    let text: Vec<u8> = env!("CARGO_PKG_VERSION").encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(version.windows(text.len()).any(|window| window == text));
}
