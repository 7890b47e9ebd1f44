//! A path in a commit's tree, as a person writes it.

/// Returns the absolute path without `.`, `..` and empty parts; `..` is resolved by name and never leads above the root.
pub(super) fn absolute(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_never_leads_above_the_root() {
        assert_eq!(absolute("/a/./b//c"), "/a/b/c");
        assert_eq!(absolute("../../a/../b/"), "/b");
        assert_eq!(absolute(""), "/");
    }
}
