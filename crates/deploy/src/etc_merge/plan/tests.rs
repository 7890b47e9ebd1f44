//! Claims on plans from made-up trees.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::etc_merge::Rule;

fn node() -> impl Strategy<Value = Content> {
    let file = |digest: u8| Content::File {
        size: 1,
        digest: Some(ostler_format::Checksum::of(&[digest])),
    };
    prop_oneof![
        4 => (0_u8..3).prop_map(file),
        1 => Just(Content::Symlink { target: b"t".to_vec() }),
        3 => Just(Content::Directory { xattrs: Vec::new() }),
        1 => Just(Content::Special(FileType::Fifo)),
    ]
}

/// Trees of a few names, in which every parent is a directory.
fn tree() -> impl Strategy<Value = Snapshot> {
    let path = "[ab](/[ab]){0,2}";
    prop::collection::btree_map(path, (node(), 0_u32..2), 0..8).prop_map(|paths| {
        let nodes: BTreeMap<Vec<u8>, Node> = paths
            .into_iter()
            .map(|(path, (content, uid))| {
                let node = Node {
                    content,
                    mode: 0o644,
                    uid,
                    gid: 0,
                };
                (path.into_bytes(), node)
            })
            .collect();
        let is_dir = |path: &[u8]| nodes.get(path).is_some_and(Node::is_dir);
        let whole = |path: &Vec<u8>| parents(path).all(is_dir);
        nodes
            .iter()
            .filter(|(path, _)| whole(path))
            .map(|(path, node)| (path.clone(), node.clone()))
            .collect()
    })
}

/// Carries out a plan on a snapshot and checks each step's conditions.
fn carried_out(plan: &MergePlan, person: &Snapshot, new: &Snapshot) -> Snapshot {
    let mut nodes: BTreeMap<Vec<u8>, Node> = new
        .iter()
        .filter(|(_, node)| !matches!(node.content, Content::Special(_)))
        .map(|(path, node)| (path.to_vec(), node.clone()))
        .collect();
    for action in &plan.actions {
        let path = action.path().to_vec();
        for parent in parents(&path) {
            assert!(
                nodes.get(parent).is_some_and(Node::is_dir),
                "no parent for {action:?}"
            );
        }
        match action {
            Action::Remove(_) => {
                let below = [&path[..], b"/"].concat();
                nodes.retain(|other, _| *other != path && !other.starts_with(&below));
            }
            Action::MakeDir(_) => {
                let node = person.get(&path).expect("it is the person's").clone();
                assert!(node.is_dir());
                assert!(
                    nodes.insert(path, node).is_none(),
                    "made where something is"
                );
            }
            Action::SetAttributes(_) => {
                assert!(nodes.get(&path).is_some_and(Node::is_dir));
                nodes.insert(
                    path.clone(),
                    person.get(&path).expect("it is the person's").clone(),
                );
            }
            Action::KeepDefault(_) => {
                let node = nodes.get(&path).expect("the default is there").clone();
                assert!(!node.is_dir(), "a directory has no second name");
                let second = [&path[..], NEW_SUFFIX.as_bytes()].concat();
                assert!(!nodes.get(&second).is_some_and(Node::is_dir));
                nodes.insert(second, node);
            }
            Action::Copy(_) => {
                assert!(
                    !nodes.get(&path).is_some_and(Node::is_dir),
                    "file over directory"
                );
                let node = person.get(&path).expect("it is the person's").clone();
                assert!(!node.is_dir());
                nodes.insert(path, node);
            }
        }
    }
    nodes.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_plan_can_be_carried_out_and_loses_no_change_of_a_person(old in tree(), person in tree(), new in tree()) {
        let plan = plan_merge(&old, &person, &new);
        let result = carried_out(&plan, &person, &new);
        for (path, node) in person.iter() {
            let special = matches!(node.content, Content::Special(_));
            if !special && !old.get(path).is_some_and(|old| old.same(node)) {
                prop_assert!(result.get(path).is_some_and(|found| found.same(node)), "lost {:?}", path);
            }
        }
        for (path, node) in old.iter() {
            let in_persons = parents(path).all(|parent| person.get(parent).is_some_and(Node::is_dir));
            if in_persons && person.get(path).is_none() {
                prop_assert!(result.get(path).is_none(), "{:?} {:?} came back", path, node);
            }
        }
    }

    #[test]
    fn without_changes_of_a_person_the_new_default_is_the_result(old in tree(), new in tree()) {
        let plan = plan_merge(&old, &old, &new);
        prop_assert!(plan.actions.is_empty());
        prop_assert_eq!(plan.report, MergeReport::default());
    }

    #[test]
    fn without_changes_of_the_default_there_is_no_conflict(old in tree(), person in tree()) {
        let plan = plan_merge(&old, &person, &old);
        prop_assert!(plan.report.conflicts.is_empty(), "{:?}", plan.report.conflicts);
    }

    #[test]
    fn with_rules_a_plan_can_be_carried_out_and_each_conflict_ends_as_its_rule_says(
        old in tree(), person in tree(), new in tree(), policies in prop::collection::vec(0_u8..4, 3),
    ) {
        let policy = |number| match number {
            0 => Policy::Keep,
            1 => Policy::Take,
            2 => Policy::Both,
            _ => Policy::Fail,
        };
        let rules = ["**", "a/*", "b"].iter().zip(&policies);
        let rules = rules.map(|(pattern, number)| Rule::new(pattern, policy(*number)).unwrap());
        let rules = Rules::new(rules.collect());
        let plan = plan_merge_by(&rules, &old, &person, &new);
        let result = carried_out(&plan, &person, &new);
        for conflict in &plan.report.conflicts {
            let path = conflict.path.as_bytes();
            let second = [path, NEW_SUFFIX.as_bytes()].concat();
            let expected = rules.policy(path);
            match conflict.decision {
                Decision::DefaultTaken => {
                    prop_assert_eq!(expected, Policy::Take);
                    let special = |node: &&Node| matches!(node.content, Content::Special(_));
                    let same = match (result.get(path), new.get(path).filter(|it| !special(it))) {
                        (Some(found), Some(new)) => found.same(new) || new.is_dir(),
                        (found, None) => found.is_none_or(Node::is_dir),
                        (None, Some(_)) => false,
                    };
                    prop_assert!(same, "{:?} is not the new default", conflict.path);
                }
                Decision::BothKept => {
                    prop_assert_eq!(expected, Policy::Both);
                    prop_assert_eq!(result.get(&second), new.get(path));
                }
                Decision::Refused => prop_assert_eq!(expected, Policy::Fail),
                Decision::PersonKept | Decision::StaysRemoved => {
                    prop_assert!(matches!(expected, Policy::Keep | Policy::Both));
                }
            }
        }
    }
}
