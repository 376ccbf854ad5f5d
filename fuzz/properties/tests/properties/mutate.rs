//! Small changes to inputs, decided by a seed and nothing else.

/// What is put into binaries: numbers at the edges of their encodings, and headers of parts and sections.
pub(crate) const BINARY: &[&[u8]] = &[
    b"\0asm\x01\0\0\0",
    b"\0asm\x0d\0\x01\0",
    b"\xff\xff\xff\xff\x0f",
    b"\x80\x80\x80\x80\x08",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x80\x80\x80\x80\x80\0",
    b"\x7f",
    b"\0",
    b"\x01\x41\x02",
    b"\x42\x01",
    b"\x07\x03\x01\x42\0",
    b"\x04\x08\0asm\x0d\0\x01\0",
    b"\0\x05\x04name",
];

/// Pieces of the text format.
pub(crate) const TEXT: &[&[u8]] = &[
    b"(module",
    b"(component",
    b"(core module",
    b"(func",
    b"(param i32)",
    b"(result i64)",
    b"(type (;0;)",
    b"(import \"a\" \"b\"",
    b"(export \"wasi:cli/run@0.2.3\"",
    b"(instance",
    b"(canon lift",
    b"(rec",
    b"(ref null 0)",
    b"(@custom \"x\" \"y\")",
    b"(@name \"\\u{202e}\")",
    b"\"\\ff\"",
    b"(;",
    b";;\n",
    b"0x1p-1074",
    b"nan:0x1",
    b"18446744073709551616",
    b"$x",
    b")",
    b"(",
];

/// Pieces of requests, of chunks, and of the PROXY protocol.
pub(crate) const FRONT: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b":",
    b"\0",
    b"\x0b",
    b"\x80",
    b"GET ",
    b" HTTP/1.1\r\n",
    b" HTTP/1.0\r\n",
    b" HTTP/2.0\r\n",
    b"http://",
    b"Host: a\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Expect: 100-continue\r\n",
    b", chunked",
    b";a=\"b\"",
    b"0\r\n\r\n",
    b"ffffffff",
    b"+5",
    b"PROXY TCP4 ",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11",
];

/// Pieces of calls.
pub(crate) const CALL: &[&[u8]] = &[
    b"of-string(",
    b"of-list(",
    b"of-point(",
    b"of-shape(",
    b"of-options(",
    b"fuzz:shapes/here@1.0.0#",
    b"#",
    b"(",
    b")",
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b":",
    b"\"",
    b"'",
    b"\\",
    b"\\u{10ffff}",
    b"\\u{d800}",
    b"\"\"\"\n",
    b"//",
    b"\n",
    b"%",
    b"some(",
    b"none",
    b"ok(",
    b"err(",
    b"true",
    b"inf",
    b"-inf",
    b"nan",
    b"-0",
    b"1e400",
    b"340282366920938463463374607431768211456",
    b"0x",
    b"null",
    b"x: ",
    b"...",
    "\u{202e}".as_bytes(),
    "\u{1f600}".as_bytes(),
];

/// Pieces of grants, sizes and times.
pub(crate) const GRANT: &[&[u8]] = &[
    b"*",
    b"*.",
    b".",
    b":",
    b"::",
    b":rw",
    b":ro",
    b"/",
    b"/0",
    b"/128",
    b"/96",
    b"[",
    b"]",
    b"https://",
    b"http://",
    b"@",
    b"-",
    b"1-65535",
    b"::ffff:",
    b"10.0.0.0",
    b"255.255.255.255",
    b"xn--",
    b"fixed:",
    b"none",
    b"all",
    b",",
    b"in",
    b"out",
    b"err",
    b"1e308",
    b"18446744073709551615",
    b"KiB",
    b"TiB",
    b"ns",
    b"d",
    b"nan",
    b"inf",
    "\u{b5}s".as_bytes(),
    "\u{130}".as_bytes(),
];

/// The longest input that mutations make.
const BYTES_MAX: usize = 48 << 10;

/// SplitMix64: short, well spread, the same everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, and 0 where there is none.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Changes `input` in a few places; `donor` is another input, from which pieces are taken.
pub(crate) fn mutate(input: &[u8], donor: &[u8], words: &[&[u8]], random: &mut Random) -> Vec<u8> {
    let mut bytes = input.to_vec();
    // Mostly little: what is changed in many places is refused at the first.
    let changes = 1 + random.below(2) + if random.below(8) == 0 { random.below(8) } else { 0 };
    for _ in 0..changes {
        change(&mut bytes, donor, words, random);
        bytes.truncate(BYTES_MAX);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, donor: &[u8], words: &[&[u8]], random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    match random.below(12) {
        0 => flip(bytes, random),
        1 => set(bytes, random),
        2 => replace(bytes, at, 1, &[random.next().to_le_bytes()[0]]),
        3 => bytes.truncate(at),
        4 => {
            let length = random.below(16);
            replace(bytes, at, length, &[]);
        }
        5 => {
            let piece = piece(bytes, random).to_vec();
            replace(bytes, at, 0, &piece);
        }
        6 => {
            let replaced = random.below(8);
            replace(bytes, at, replaced, piece(donor, random));
        }
        7 => {
            let word: &[u8] = random.pick::<&[u8]>(words);
            replace(bytes, at, 0, word);
        }
        8 => {
            let word = *random.pick::<&[u8]>(words);
            replace(bytes, at, word.len(), word);
        }
        9 => inflate(bytes, at),
        10 => {
            let word = random.pick(words).repeat(1 + random.below(300));
            replace(bytes, at, 0, &word);
        }
        _ => graft(bytes, donor, random),
    }
}

fn flip(bytes: &mut [u8], random: &mut Random) {
    let (at, bit) = (random.below(bytes.len()), random.below(8));
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << bit;
    }
}

fn set(bytes: &mut [u8], random: &mut Random) {
    let (at, value) = (
        random.below(bytes.len()),
        *random.pick(&[0, 1, 2, 0x40, 0x7f, 0x80, 0xfe, 0xff]),
    );
    if let Some(byte) = bytes.get_mut(at) {
        *byte = value;
    }
}

/// Makes a length say far more than there is.
fn inflate(bytes: &mut Vec<u8>, at: usize) {
    replace(bytes, at, 1, b"\xff\xff\xff\xff\x0f");
}

fn replace(bytes: &mut Vec<u8>, at: usize, length: usize, with: &[u8]) {
    let at = at.min(bytes.len());
    let end = (at + length).min(bytes.len());
    bytes.splice(at..end, with.iter().copied());
}

fn piece<'a>(bytes: &'a [u8], random: &mut Random) -> &'a [u8] {
    let start = random.below(bytes.len());
    let length = 1 + random.below(64);
    &bytes[start..(start + length).min(bytes.len())]
}

/// Puts a group of parentheses from the donor in the place of one here, or beside it: text that is changed so
/// still reads, and may even be valid.
fn graft(bytes: &mut Vec<u8>, donor: &[u8], random: &mut Random) {
    let (Some(place), Some(group)) = (group(bytes, random), group(donor, random)) else {
        return flip(bytes, random);
    };
    let group = donor[group].to_vec();
    match random.below(3) {
        0 => replace(bytes, place.start, 0, &group),
        1 => replace(bytes, place.end - 1, 0, &group),
        _ => replace(bytes, place.start, place.len(), &group),
    }
}

/// Some group of parentheses. Those in strings and comments count too: no more is needed here.
fn group(bytes: &[u8], random: &mut Random) -> Option<std::ops::Range<usize>> {
    let start = random.below(bytes.len());
    let start = start + bytes.get(start..)?.iter().position(|byte| *byte == b'(')?;
    let mut depth = 0usize;
    for (offset, byte) in bytes.get(start..)?.iter().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(start..start + offset + 1);
        }
    }
    None
}
