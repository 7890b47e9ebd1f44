//! File capabilities: rpm's text, `cap_net_raw=ep`, as the bytes of the xattr that the kernel reads. Pure.

use crate::error::PackagesError;

/// The xattr.
pub const XATTR: &[u8] = b"security.capability";
/// Names in the order of the kernel's numbers.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];
/// Revision 2 of the xattr: two words of 32 bits for each set.
const REVISION: u32 = 0x0200_0000;
const EFFECTIVE: u32 = 1;

/// Sets of capabilities, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sets {
    effective: u64,
    permitted: u64,
    inheritable: u64,
}

/// Translates the text; `None` if it names none.
///
/// # Errors
/// A clause that is not known. A file has no effective capability beyond those that it permits or inherits, and either all or none.
pub fn parse(text: &str) -> Result<Option<Vec<u8>>, PackagesError> {
    let broken = |problem| PackagesError::at_byte(0, problem);
    let mut sets = Sets::default();
    for clause in text.split_whitespace() {
        let start = clause
            .find(['=', '+', '-'])
            .ok_or_else(|| broken("capabilities without a sign"))?;
        let which = names(&clause[..start]).ok_or_else(|| broken("an unknown capability"))?;
        apply(&mut sets, which, &clause[start..])
            .ok_or_else(|| broken("an unknown set of capabilities"))?;
    }
    if sets == Sets::default() {
        return Ok(None);
    }
    let had = sets.permitted | sets.inheritable;
    if sets.effective != 0 && sets.effective != had {
        return Err(broken(
            "capabilities of which some are effective and others are not",
        ));
    }
    let first = REVISION | if sets.effective != 0 { EFFECTIVE } else { 0 };
    let words = [
        sets.permitted,
        sets.inheritable,
        sets.permitted >> 32,
        sets.inheritable >> 32,
    ];
    let words = words.map(|word| (word & 0xffff_ffff) as u32);
    let all = std::iter::once(first).chain(words);
    Ok(Some(all.flat_map(u32::to_le_bytes).collect()))
}

fn names(list: &str) -> Option<u64> {
    if matches!(list, "" | "all") {
        return Some((1 << NAMES.len()) - 1);
    }
    list.split(',').try_fold(0, |bits, name| {
        let name = name.to_ascii_lowercase();
        let name = name.strip_prefix("cap_")?;
        let number = NAMES.iter().position(|known| *known == name)?;
        Some(bits | 1 << number)
    })
}

/// Applies `=ep`, `+i-p`: each sign with the letters after it.
fn apply(sets: &mut Sets, which: u64, mut signs: &str) -> Option<()> {
    while let Some(sign) = signs.chars().next() {
        let letters = &signs[1..];
        let end = letters.find(['=', '+', '-']).unwrap_or(letters.len());
        for set in [
            &mut sets.effective,
            &mut sets.permitted,
            &mut sets.inheritable,
        ] {
            if sign == '=' {
                *set &= !which;
            }
        }
        for letter in letters[..end].chars() {
            let set = match letter {
                'e' => &mut sets.effective,
                'p' => &mut sets.permitted,
                'i' => &mut sets.inheritable,
                _ => return None,
            };
            match sign {
                '-' => *set &= !which,
                _ => *set |= which,
            }
        }
        signs = &letters[end..];
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> String {
        let bytes = parse(text).unwrap().unwrap();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_kernel_reads_what_setcap_would_write() {
        // As `setcap` wrote them and `getfattr -e hex` showed them.
        for (text, expected) in [
            ("cap_net_raw=ep", "0100000200200000000000000000000000000000"),
            ("cap_net_raw=p", "0000000200200000000000000000000000000000"),
            (
                "cap_net_admin,cap_net_raw+eip",
                "0100000200300000003000000000000000000000",
            ),
            ("cap_bpf=ep", "0100000200000000000000008000000000000000"),
            ("= cap_chown=ep", "0100000201000000000000000000000000000000"),
        ] {
            assert_eq!(hex(text), expected, "{text}");
        }
        assert_eq!(parse("").unwrap(), None);
        assert_eq!(parse("=").unwrap(), None);
        for text in [
            "cap_nosuch=ep",
            "cap_chown",
            "cap_chown=x",
            "cap_chown=p cap_kill=ep",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
