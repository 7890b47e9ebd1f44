//! Measures this crate's hot calls: `measure walk TREE`, or `measure link TREE SCRATCH`, which makes an object store of empty files in
//! SCRATCH, one for each file of TREE, and lays the tree out from it with hard links, as a checkout does.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use ostler_fs::{Dir, FsError, Next, Step, Trusted, walk};

const ROUNDS: usize = 5;

fn main() -> Result<(), FsError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["walk", tree] => measure_walk(tree),
        ["remove", parent, name] => {
            let start = Instant::now();
            Dir::open_ambient(parent)?.remove_all(name)?;
            println!("removed in {:.1?}", start.elapsed());
            Ok(())
        }
        ["link", tree, scratch] => measure_link(tree, scratch),
        _ => panic!("measure walk TREE | measure link TREE SCRATCH"),
    }
}

fn measure_walk(tree: &str) -> Result<(), FsError> {
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let mut count = 0;
        walk(&Dir::open_ambient(tree)?, |step| {
            count += usize::from(!matches!(step, Step::Leave(_)));
            Ok::<_, FsError>(Next::Continue)
        })?;
        println!("{count} entries in {:.1?}", start.elapsed());
    }
    Ok(())
}

/// What a checkout has to make, a directory and the files in it.
struct Planned {
    path: PathBuf,
    /// Name and object path.
    files: Vec<(Vec<u8>, String)>,
}

fn plan(tree: &str) -> Result<Vec<Planned>, FsError> {
    let mut plan = vec![Planned {
        path: PathBuf::from("."),
        files: Vec::new(),
    }];
    let mut open = vec![0];
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    walk(&Dir::open_ambient(tree)?, |step| {
        match step {
            Step::Enter(entry) => {
                open.push(plan.len());
                plan.push(Planned {
                    path: entry.path().to_owned(),
                    files: Vec::new(),
                });
            }
            Step::Leave(_) => {
                open.pop();
            }
            Step::Entry(entry) => {
                let hash = hasher.hash_one(entry.path());
                let object = format!("{:02x}/{hash:062x}.file", hash & 0xff);
                let here = *open.last().expect("the root stays open");
                plan[here].files.push((entry.name().to_owned(), object));
            }
        }
        Ok::<_, FsError>(Next::Continue)
    })?;
    Ok(plan)
}

fn measure_link(tree: &str, scratch: &str) -> Result<(), FsError> {
    let plan = plan(tree)?;
    let scratch = Dir::open_ambient(scratch)?;
    scratch.remove_all("objects")?;
    let objects = scratch.create_dir_all("objects", 0o755)?;
    for number in 0..256 {
        objects.create_dir(format!("{number:02x}"), 0o755)?;
    }
    for (_, object) in plan.iter().flat_map(|directory| &directory.files) {
        objects.open_or_create_file(Trusted(object), 0o644)?;
    }
    for threads in [1, 2, 2, 2, 1] {
        let (start, ticks) = (Instant::now(), system_ticks()?);
        let top = scratch.create_dir_all("checkout", 0o755)?;
        for directory in &plan[1..] {
            top.create_dir(Trusted(&directory.path), 0o755)?;
        }
        let made = start.elapsed();
        link_all(&plan, &objects, &top, threads)?;
        let (wall, used) = (start.elapsed(), system_ticks()? - ticks);
        println!(
            "{threads} threads: directories {made:.1?}, all {wall:.1?}, system time {used}0 ms"
        );
        let (start, ticks) = (Instant::now(), system_ticks()?);
        scratch.remove_all("checkout")?;
        println!(
            "  removed in {:.1?}, system time {}0 ms",
            start.elapsed(),
            system_ticks()? - ticks
        );
    }
    scratch.remove_all("objects")?;
    Ok(())
}

/// Hundredths of a second that the kernel has worked for this process: steadier than the clock on a busy machine.
fn system_ticks() -> Result<u64, FsError> {
    let stat = Dir::open_ambient("/proc/self")?.read("stat", 4096)?;
    let text = String::from_utf8_lossy(&stat).into_owned();
    Ok(text
        .split(' ')
        .nth(14)
        .and_then(|ticks| ticks.parse().ok())
        .expect("the 15th word is stime"))
}

fn link_all(plan: &[Planned], objects: &Dir, top: &Dir, threads: usize) -> Result<(), FsError> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), FsError> {
        while let Some(directory) = plan.get(next.fetch_add(1, Ordering::Relaxed)) {
            if directory.files.is_empty() {
                continue;
            }
            let dir = top.open_dir_beneath(&directory.path)?;
            for (name, object) in &directory.files {
                objects.hard_link(Trusted(object), &dir, name)?;
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().expect("a worker doesn't panic"))
    })
}
