#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::KernelArgs;

fuzz_target!(|data: &[u8]| {
    // The first line is a command line, the second an argument to change it with.
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (line, argument) = text.split_once('\n').unwrap_or((text, "a=b"));
    let mut args = KernelArgs::parse(line);
    assert!(!args.to_string().contains(['\n', '\r', '\0']));
    let _ = (args.ostree(), args.last_value(argument));
    let _ = (
        args.set(argument),
        args.replace(argument),
        args.delete(argument),
    );
    args.append_if_missing(argument);
    args.append_if_key_missing(argument);
    args.delete_key(argument);
});
