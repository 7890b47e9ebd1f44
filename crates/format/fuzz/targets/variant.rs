#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::{Annotate, Type, Value};

fuzz_target!(|data: &[u8]| {
    // The type is what comes before the first newline.
    let Some(split) = data.iter().position(|&byte| byte == b'\n') else {
        return;
    };
    let Ok(Ok(ty)) = std::str::from_utf8(&data[..split]).map(Type::parse) else {
        return;
    };
    let bytes = &data[split + 1..];
    if let Ok(value) = Value::parse(&ty, bytes) {
        assert!(value.has_type(&ty));
        assert_eq!(value.to_bytes().unwrap(), bytes);
        let _ = (
            value.print(Annotate::Types),
            value.print(Annotate::Nothing),
            value.byteswapped(),
        );
    }
});
