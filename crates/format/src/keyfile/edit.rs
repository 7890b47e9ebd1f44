//! Changing a key file in place.

use super::value::{escape, escape_list};
use super::{KeyFile, KeyFileError, Line, excerpt, is_group_name, is_key_name};

impl KeyFile {
    /// Sets a value as it shall stand in the file, without escaping; a new key goes to the end of its group, a new group to
    /// the end of the file.
    ///
    /// # Errors
    /// [`KeyFileError::Name`] on an invalid group or key, [`KeyFileError::ValueText`] on a line end or NUL.
    pub fn set_raw(&mut self, group: &str, key: &str, raw: &str) -> Result<(), KeyFileError> {
        let refused = |what, name: &str| KeyFileError::Name {
            what,
            name: excerpt(name.as_bytes()),
        };
        if !is_group_name(group) {
            return Err(refused("group", group));
        }
        if !is_key_name(key) || key.trim_ascii() != key || key.starts_with('#') {
            return Err(refused("key", key));
        }
        if raw.contains(['\n', '\r', '\0']) {
            return Err(KeyFileError::ValueText {
                group: group.to_owned(),
                key: key.to_owned(),
            });
        }
        let index = self.group_index(group);
        let lines = &mut self.groups[index].lines;
        let old = lines.iter_mut().rev().find_map(|line| match line {
            Line::Pair { key: k, raw } if k == key => Some(raw),
            _ => None,
        });
        match old {
            Some(old) => raw.clone_into(old),
            None => {
                let end = end_of_pairs(lines);
                let pair = Line::Pair {
                    key: key.to_owned(),
                    raw: raw.to_owned(),
                };
                lines.insert(end, pair);
            }
        }
        Ok(())
    }

    /// Sets a text value, escaped as needed.
    ///
    /// # Errors
    /// As [`KeyFile::set_raw`].
    pub fn set_string(&mut self, group: &str, key: &str, value: &str) -> Result<(), KeyFileError> {
        self.set_raw(group, key, &escape(value))
    }

    /// Sets a list value: each item escaped and followed by `;`.
    ///
    /// # Errors
    /// As [`KeyFile::set_raw`].
    pub fn set_string_list<S: AsRef<str>>(
        &mut self,
        group: &str,
        key: &str,
        items: &[S],
    ) -> Result<(), KeyFileError> {
        self.set_raw(group, key, &escape_list(items))
    }

    /// Sets `true` or `false`.
    ///
    /// # Errors
    /// As [`KeyFile::set_raw`].
    pub fn set_boolean(&mut self, group: &str, key: &str, value: bool) -> Result<(), KeyFileError> {
        self.set_raw(group, key, if value { "true" } else { "false" })
    }

    /// Removes a key (every occurrence of it) and says whether it was there.
    pub fn remove_key(&mut self, group: &str, key: &str) -> bool {
        let Some(found) = self.groups.iter_mut().find(|g| g.name == group) else {
            return false;
        };
        let before = found.lines.len();
        found
            .lines
            .retain(|line| !matches!(line, Line::Pair { key: k, .. } if k == key));
        found.lines.len() != before
    }

    /// Removes a group with its keys and comments and says whether it was there.
    pub fn remove_group(&mut self, group: &str) -> bool {
        let Some(index) = self.groups.iter().position(|g| g.name == group) else {
            return false;
        };
        self.groups.remove(index);
        if index == self.groups.len()
            && let Some(last) = self.groups.last_mut()
        {
            // The empty lines that kept it apart from the group before.
            while matches!(last.lines.last(), Some(Line::Comment(text)) if text.trim_ascii().is_empty())
            {
                last.lines.pop();
            }
        }
        true
    }
}

/// Where a new key goes: behind the last key, before comments that belong to what follows; in a group without keys, behind
/// the comment below its name.
fn end_of_pairs(lines: &[Line]) -> usize {
    match lines
        .iter()
        .rposition(|line| matches!(line, Line::Pair { .. }))
    {
        Some(last) => last + 1,
        None => lines
            .iter()
            .take_while(|line| matches!(line, Line::Comment(text) if !text.trim_ascii().is_empty()))
            .count(),
    }
}
