//! Who holds a port: so that "address in use" can name the program to stop.
//!
//! Reads `/proc`; where that is not allowed the answer is simply not known.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

/// The process that listens on a port, as far as we may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortHolder {
    /// Its process id.
    pub pid: u32,
    /// The name of its program.
    pub program: String,
}

/// Finds the process that listens on the port of this address.
pub(crate) fn holder(address: SocketAddr) -> Option<PortHolder> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let inode = tables
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .find_map(|table| listening_inode(&table, address.port()))?;
    process_with_socket(&format!("socket:[{inode}]"))
}

/// The inode of the listening socket on this port in the text of `/proc/net/tcp`.
fn listening_inode(table: &str, port: u16) -> Option<u64> {
    const LISTEN: &str = "0A";
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, hex) = fields.get(1)?.rsplit_once(':')?;
        let listens = u16::from_str_radix(hex, 16).ok()? == port && *fields.get(3)? == LISTEN;
        if listens { fields.get(9)?.parse().ok() } else { None }
    })
}

fn process_with_socket(socket: &str) -> Option<PortHolder> {
    let processes = fs::read_dir("/proc").ok()?;
    processes.filter_map(Result::ok).find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        holds(&entry.path(), socket).then(|| PortHolder { pid, program: program(&entry.path()) })
    })
}

fn holds(process: &Path, socket: &str) -> bool {
    let Ok(files) = fs::read_dir(process.join("fd")) else { return false };
    files
        .filter_map(Result::ok)
        .filter_map(|file| fs::read_link(file.path()).ok())
        .any(|target| target.as_os_str() == socket)
}

fn program(process: &Path) -> String {
    fs::read_to_string(process.join("comm")).map_or_else(|_| "?".to_owned(), |name| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_held_by_this_process_is_traced_to_it() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        assert_eq!(holder(address).map(|found| found.pid), Some(std::process::id()));
    }

    #[test]
    fn connections_are_not_taken_for_listeners() {
        let table =
            "  sl  local_address rem_address   st\n   0: 0100007F:1CE8 00000000:0000 01 0 0 0 0 0 77 1";
        assert_eq!(listening_inode(table, 0x1CE8), None);
    }
}
