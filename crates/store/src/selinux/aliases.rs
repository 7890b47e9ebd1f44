//! `file_contexts.subs` and `file_contexts.subs_dist`: a path below one directory is looked up as if it lay below another.

/// Pairs of a path and what stands for it; of several that fit the last counts.
#[derive(Debug, Default)]
pub(super) struct Aliases(Vec<(String, String)>);

impl Aliases {
    /// Parses lines of two paths; comments, and lines that have fewer, mean nothing.
    pub(super) fn parse(text: &str) -> Self {
        let pairs = text.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            let from = words.next().filter(|from| !from.starts_with('#'))?;
            Some((from.to_owned(), words.next()?.to_owned()))
        });
        Self(pairs.collect())
    }

    /// The path that is looked up in the place of `path`; `None` if no alias fits.
    pub(super) fn resolve(&self, path: &str) -> Option<String> {
        self.0.iter().rev().find_map(|(from, to)| {
            let rest = path.strip_prefix(from.as_str())?;
            match rest.strip_prefix('/') {
                Some(below) if to == "/" => Some(format!("/{below}")),
                Some(_) => Some(format!("{to}{rest}")),
                None => rest.is_empty().then(|| to.clone()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Aliases;

    #[test]
    fn the_last_alias_of_a_whole_component_counts() {
        let aliases = Aliases::parse("# no /x\n/a /b\n/a/in /c\nword\n/root /\n/a /d\n");
        let resolved = |path| aliases.resolve(path);
        assert_eq!(resolved("/a/in/x").as_deref(), Some("/d/in/x"));
        assert_eq!(resolved("/a").as_deref(), Some("/d"));
        assert_eq!(resolved("/ab"), None);
        assert_eq!(resolved("/root/usr").as_deref(), Some("/usr"));
        assert_eq!(resolved("word"), None);
    }
}
