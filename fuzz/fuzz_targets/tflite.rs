#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| edgezen_fuzz::parse("tflite", input));
