#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::{Annotate, Value};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(value) = Value::parse_text(None, text) {
        let printed = value.print(Annotate::Types);
        let again = Value::parse_text(None, &printed).unwrap();
        assert_eq!(again.print(Annotate::Types), printed);
        assert_eq!(
            Value::parse(&value.ty(), &value.to_bytes().unwrap()).unwrap(),
            value
        );
    }
});
