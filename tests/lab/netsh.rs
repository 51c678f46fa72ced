//! A stand-in for `netsh`: shows and sets dynamic ranges in the words, the code page and the ways to fail that the
//! files beside it tell. Each is optional.
//!
//! | file | what it has |
//! |---|---|
//! | `title`, `first`, `second`, `ok` | bytes that are printed in these places |
//! | `said` | bytes that are printed instead of an answer |
//! | `behaviour` | lines of a part of a command, a tab and what is done about commands that contain it: the first line that fits counts |
//! | `ipv4-tcp-active` and so on | the start and the number of ports of a range, as it was set |
//! | `calls` | written: a line for each process, with its arguments or the commands of its script |
//!
//! What is done about a command: `obey` as Windows does; `say`, prints what is said; `lie`, says that it did; `obey
//! START NUM`, sets something else; `later START NUM`, sets only what the next start of the system sets; `exit CODE`,
//! `wait MILLISECONDS` and `hang` by themselves or behind another one and a semicolon.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

const DEFAULT: &str = "49152 16384";

struct Netsh {
    here: PathBuf,
    behaviour: String,
    code: u8,
}

fn main() -> io::Result<ExitCode> {
    let program = std::env::current_exe()?;
    let here = program.parent().unwrap_or(Path::new(".")).to_owned();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let commands = match arguments.as_slice() {
        [flag, script] if flag == "-f" => fs::read_to_string(script)?.lines().map(str::to_owned).collect(),
        words => vec![words.join(" ")],
    };
    let mut calls = OpenOptions::new().create(true).append(true).open(here.join("calls"))?;
    writeln!(calls, "{}", commands.join("; "))?;
    let behaviour = fs::read_to_string(here.join("behaviour")).unwrap_or_default();
    let mut netsh = Netsh { here, behaviour, code: 0 };
    for command in &commands {
        netsh.run(command)?;
    }
    Ok(ExitCode::from(netsh.code))
}

impl Netsh {
    fn run(&mut self, command: &str) -> io::Result<()> {
        let lines = self.behaviour.lines().filter_map(|line| line.split_once('\t'));
        let mut fitting = lines.filter(|(part, _)| command.contains(part));
        let actions = fitting.next().map_or("obey", |(_, actions)| actions).to_owned();
        for action in actions.split(';') {
            let words: Vec<&str> = action.split_whitespace().collect();
            match words[..] {
                ["obey"] => self.obey(command)?,
                ["obey", start, count] => self.set(command, &["active"], start, count)?,
                ["later", start, count] => self.set(command, &["persistent"], start, count)?,
                ["lie"] => self.print("ok", "Ok.\r\n\r\n")?,
                ["say"] => self.print("said", "The parameter is incorrect.\r\n\r\n")?,
                ["exit", code] => self.code = code.parse().map_err(io::Error::other)?,
                ["wait", milliseconds] => {
                    thread::sleep(Duration::from_millis(milliseconds.parse().map_err(io::Error::other)?));
                }
                ["hang"] => loop {
                    thread::park();
                },
                _ => return Err(io::Error::other(format!("unknown: {action}"))),
            }
        }
        Ok(())
    }

    fn obey(&self, command: &str) -> io::Result<()> {
        let words: Vec<&str> = command.split_whitespace().collect();
        match words[..] {
            ["int", family, "show", "dynamicport", protocol, store] => {
                let store = store.trim_start_matches("store=");
                let file = self.here.join(format!("{family}-{protocol}-{store}"));
                let range = fs::read_to_string(file).unwrap_or_else(|_| DEFAULT.to_owned());
                let (start, count) =
                    range.trim().split_once(' ').ok_or_else(|| io::Error::other("no range"))?;
                self.title("---------------------------------")?;
                self.print("first", "Start Port")?;
                print!("      : {start}\r\n");
                self.print("second", "Number of Ports")?;
                print!(" : {count}\r\n\r\n");
                Ok(())
            }
            ["int", _, "show", "excludedportrange", _] => {
                self.title("\r\nStart Port    End Port\r\n----------    --------")?;
                print!("     50000       50059     *\r\n\r\n* - Administered port exclusions.\r\n\r\n");
                Ok(())
            }
            ["int", _, "set", "dynamicport", _, start, count, store] => {
                let (start, count) = (start.trim_start_matches("start="), count.trim_start_matches("num="));
                let stores: &[&str] =
                    if store == "store=persistent" { &["persistent", "active"] } else { &["active"] };
                self.set(command, stores, start, count)?;
                self.print("ok", "Ok.\r\n\r\n")
            }
            _ => self.print("said", "The following command was not found.\r\n\r\n"),
        }
    }

    fn set(&self, command: &str, stores: &[&str], start: &str, count: &str) -> io::Result<()> {
        let words: Vec<&str> = command.split_whitespace().collect();
        let ["int", family, "set", "dynamicport", protocol, ..] = words[..] else { return Ok(()) };
        stores.iter().try_for_each(|store| {
            fs::write(self.here.join(format!("{family}-{protocol}-{store}")), format!("{start} {count}"))
        })
    }

    fn title(&self, rule: &str) -> io::Result<()> {
        print!("\r\n");
        self.print("title", "Protocol tcp Dynamic Port Range")?;
        print!("\r\n{rule}\r\n");
        Ok(())
    }

    fn print(&self, file: &str, otherwise: &str) -> io::Result<()> {
        let bytes = fs::read(self.here.join(file)).unwrap_or_else(|_| otherwise.as_bytes().to_owned());
        io::stdout().write_all(&bytes)?;
        io::stdout().flush()
    }
}
