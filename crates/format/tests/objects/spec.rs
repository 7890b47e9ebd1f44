use std::fs;
use std::path::Path;

use ostler_format::delta::{NativeDelta, Part, Superblock};
use ostler_format::{
    Annotate, Checksum, Commit, DirMeta, DirTree, FileHeader, Metadata, SizeEntry, Summary, Type,
    Value, Xattrs,
};

/// A fenced block of a document: the words after the fence, and the lines inside.
struct Block {
    words: Vec<String>,
    lines: Vec<String>,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(_) if open => open = false,
            Some(words) => {
                open = true;
                let words = words.split_whitespace().map(str::to_owned).collect();
                blocks.push(Block {
                    words,
                    lines: Vec::new(),
                });
            }
            None if open => blocks.last_mut().unwrap().lines.push(line.to_owned()),
            None => {}
        }
    }
    blocks
}

fn unhex(text: &str) -> Vec<u8> {
    assert_eq!(text.len() % 2, 0, "{text}");
    (0..text.len() / 2)
        .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
        .collect()
}

/// Parses the bytes as what the document says they are, and writes them again.
fn rewrite(kind: &str, bytes: &[u8]) -> Vec<u8> {
    match kind {
        "commit" => Commit::parse(bytes).unwrap().to_bytes().unwrap(),
        "commitmeta" => Metadata::parse(bytes).unwrap().to_bytes().unwrap(),
        "dirtree" => DirTree::parse(bytes).unwrap().to_bytes().unwrap(),
        "dirmeta" => DirMeta::parse(bytes).unwrap().to_bytes().unwrap(),
        "summary" => Summary::parse(bytes).unwrap().to_bytes().unwrap(),
        "xattrs" => Xattrs::parse(bytes).unwrap().to_bytes(),
        "usermeta" => FileHeader::parse_user_meta(bytes)
            .unwrap()
            .to_user_meta()
            .unwrap(),
        "superblock" => Superblock::parse(bytes).unwrap().to_bytes().unwrap(),
        "native-delta" => NativeDelta::parse(bytes).unwrap().to_bytes(),
        "part" => Part::parse(bytes).unwrap().to_bytes(),
        "sizes" => SizeEntry::parse(bytes).unwrap().to_bytes(),
        "content" => {
            let mut rest = bytes;
            let header = FileHeader::read_content_prefix(&mut rest).unwrap();
            [&header.content_prefix().unwrap(), rest].concat()
        }
        "filez" => {
            let (header, size, end) = FileHeader::parse_archive_prefix(bytes).unwrap();
            [&header.archive_prefix(size).unwrap(), &bytes[end..]].concat()
        }
        ty => Value::parse(&Type::parse(ty).unwrap(), bytes)
            .unwrap()
            .to_bytes()
            .unwrap(),
    }
}

#[test]
fn the_bytes_in_the_documents_are_what_this_crate_reads_and_writes() {
    let mut checked = 0;
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("spec")).unwrap() {
        let path = file.unwrap().path();
        let mut bytes = Vec::new();
        for block in blocks(&fs::read_to_string(&path).unwrap()) {
            let words: Vec<&str> = block.words.iter().map(String::as_str).collect();
            let place = format!("{}: {words:?}", path.display());
            match words[..] {
                ["hex", kind, ref sum @ ..] => {
                    bytes = unhex(&block.lines.concat());
                    assert_eq!(rewrite(kind, &bytes), bytes, "{place}");
                    if let [sum] = sum {
                        assert_eq!(*sum, format!("sha256={}", Checksum::of(&bytes)), "{place}");
                    }
                    checked += 1;
                }
                ["value", ty] => {
                    let ty = Type::parse(ty).unwrap();
                    let value = Value::parse(&ty, &bytes).unwrap();
                    assert_eq!(
                        value.print(Annotate::Types),
                        block.lines.join("\n"),
                        "{place}"
                    );
                    assert_eq!(
                        Value::parse_text(Some(&ty), &block.lines.join("\n")).unwrap(),
                        value,
                        "{place}"
                    );
                }
                _ => {}
            }
        }
    }
    assert!(checked >= 19, "{checked}");
}
