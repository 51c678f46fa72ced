//! Which machine this is.

use std::path::Path;

use super::super::files;
use crate::model::{Host, System};

pub(in crate::platform) fn host() -> Host {
    let uname = rustix::system::uname();
    let release = ["/etc/os-release", "/usr/lib/os-release"]
        .into_iter()
        .find_map(|path| files::read(Path::new(path)).ok())
        .and_then(|text| pretty_name(&String::from_utf8_lossy(&text)));
    Host {
        name: uname.nodename().to_string_lossy().into(),
        os: release.unwrap_or_else(|| uname.sysname().to_string_lossy().into_owned()).into(),
        system: System::Linux,
        elevated: rustix::process::geteuid().is_root(),
    }
}

/// `PRETTY_NAME` of os-release(5), a file of shell assignments.
fn pretty_name(text: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.trim().strip_prefix("PRETTY_NAME="))?.trim();
    let quoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    let name: String = match quoted {
        Some(inner) => unescape(inner),
        None => unescape(value),
    };
    (!name.is_empty()).then_some(name)
}

fn unescape(value: &str) -> String {
    let mut chars = value.chars();
    let mut plain = String::new();
    while let Some(char) = chars.next() {
        plain.extend(if char == '\\' { chars.next() } else { Some(char) });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
        Some("Debian GNU/Linux 12 (bookworm)")
    )]
    #[case("PRETTY_NAME='Alpine Linux v3.20'", Some("Alpine Linux v3.20"))]
    #[case("PRETTY_NAME=Arch", Some("Arch"))]
    #[case(r#"PRETTY_NAME="a \"b\" \$c""#, Some(r#"a "b" $c"#))]
    #[case("PRETTY_NAME=\"\"", None)]
    #[case("PRETTY_NAME=\"", Some("\""))]
    #[case("#PRETTY_NAME=no", None)]
    #[case("", None)]
    fn the_name_people_use(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(pretty_name(text).as_deref(), expected);
    }

    proptest! {
        #[test]
        fn any_text_will_do(text: String) {
            let _ = pretty_name(&format!("PRETTY_NAME={text}"));
        }
    }
}
