//! Random types and values, handed to a callee that hands them back: fused, isolated, and as they were written.

use std::fmt::Write as _;

use fastrand::Rng;
use weft_app::Limits;
use weft_app::cell::CellSettings;
use weft_runtime::entry::{Entry, Observe};
use weft_runtime::wave::Call;
use weft_runtime::{
    Cells, Concurrency, Engine, EngineOptions, Imports, LinkPlan, Links, Outcome, PrincipalSetup, Profile,
    Program, Setup, Stop, Thread,
};

use super::kit::{plan, principal, trapping};

/// A type of values.
#[derive(Debug, Clone)]
enum Ty {
    Number(&'static str),
    Bool,
    Char,
    Text,
    List(Box<Ty>),
    Record(Vec<Ty>),
    Tuple(Vec<Ty>),
    Variant(Vec<Option<Ty>>),
    Option(Box<Ty>),
    Result(Option<Box<Ty>>, Option<Box<Ty>>),
    Enum(usize),
    Flags(usize),
}

/// What a core value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flat {
    I32,
    I64,
    F32,
    F64,
}

impl Flat {
    fn name(self) -> &'static str {
        match self {
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }

    fn join(self, other: Self) -> Self {
        match (self, other) {
            (one, other) if one == other => one,
            (Self::I32, Self::F32) | (Self::F32, Self::I32) => Self::I32,
            _ => Self::I64,
        }
    }

    /// A value of this kind, out of the slot that it shares with others.
    fn out_of(self, slot: Self, value: &str) -> String {
        match (self, slot) {
            (want, have) if want == have => value.to_owned(),
            (Self::I32, Self::I64) => format!("(i32.wrap_i64 {value})"),
            (Self::F32, Self::I32) => format!("(f32.reinterpret_i32 {value})"),
            (Self::F32, Self::I64) => format!("(f32.reinterpret_i32 (i32.wrap_i64 {value}))"),
            (Self::F64, Self::I64) => format!("(f64.reinterpret_i64 {value})"),
            other => panic!("no slot holds both: {other:?}"),
        }
    }
}

impl Ty {
    fn random(rng: &mut Rng, depth: u32) -> Self {
        const NUMBERS: [&str; 10] = [
            "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "float32", "float64",
        ];
        let inner = |rng: &mut Rng| Self::random(rng, depth - 1);
        let some = |rng: &mut Rng| {
            (0..rng.usize(1..5))
                .map(|_| Self::random(rng, depth - 1))
                .collect()
        };
        let maybe = |rng: &mut Rng| rng.bool().then(|| Box::new(Self::random(rng, depth - 1)));
        let simple = if depth == 0 { 6 } else { 14 };
        match rng.u32(0..simple) {
            0 => Self::Bool,
            1 => Self::Char,
            2 => Self::Text,
            3 => Self::Enum(*rng.choice(&[1_usize, 2, 3, 256, 257, 300]).unwrap()),
            4 => Self::Flags(*rng.choice(&[1_usize, 7, 8, 9, 16, 17, 31, 32]).unwrap()),
            5 | 6 => Self::Number(rng.choice(NUMBERS).unwrap()),
            7 | 8 => Self::List(Box::new(inner(rng))),
            9 => Self::Record(some(rng)),
            10 => Self::Tuple(some(rng)),
            11 => Self::Variant((0..rng.usize(1..5)).map(|_| maybe(rng).map(|ty| *ty)).collect()),
            12 => Self::Option(Box::new(inner(rng))),
            _ => Self::Result(maybe(rng), maybe(rng)),
        }
    }

    /// The types of a component that have names, innermost first; gives the word by which the type itself is meant.
    fn declare(&self, types: &mut Vec<String>) -> String {
        let maybe = |ty: &Option<Box<Ty>>, types: &mut Vec<String>| ty.as_ref().map(|ty| ty.declare(types));
        let definition = match self {
            Self::Number(name) => return (*name).to_owned(),
            Self::Bool => return "bool".to_owned(),
            Self::Char => return "char".to_owned(),
            Self::Text => return "string".to_owned(),
            Self::List(ty) => return format!("(list {})", ty.declare(types)),
            Self::Option(ty) => return format!("(option {})", ty.declare(types)),
            Self::Tuple(parts) => {
                let parts: Vec<String> = parts.iter().map(|ty| ty.declare(types)).collect();
                return format!("(tuple {})", parts.join(" "));
            }
            Self::Result(ok, err) => {
                let ok = maybe(ok, types).unwrap_or_default();
                let err = maybe(err, types)
                    .map(|err| format!("(error {err})"))
                    .unwrap_or_default();
                return format!("(result {ok} {err})");
            }
            Self::Record(fields) => {
                let fields = fields.iter().enumerate();
                let fields = fields.map(|(index, ty)| format!("(field \"f{index}\" {})", ty.declare(types)));
                format!("(record {})", fields.collect::<Vec<_>>().join(" "))
            }
            Self::Variant(cases) => {
                let cases = cases.iter().enumerate().map(|(index, ty)| {
                    let ty = ty.as_ref().map(|ty| ty.declare(types)).unwrap_or_default();
                    format!("(case \"c{index}\" {ty})")
                });
                format!("(variant {})", cases.collect::<Vec<_>>().join(" "))
            }
            Self::Enum(count) => format!("(enum {})", names(*count)),
            Self::Flags(count) => format!("(flags {})", names(*count)),
        };
        types.push(definition);
        format!("$T{}", types.len() - 1)
    }

    fn cases(&self) -> Option<Vec<Option<&Ty>>> {
        match self {
            Self::Variant(cases) => Some(cases.iter().map(Option::as_ref).collect()),
            Self::Option(ty) => Some(vec![None, Some(ty)]),
            Self::Result(ok, err) => Some(vec![ok.as_deref(), err.as_deref()]),
            Self::Enum(count) => Some(vec![None; *count]),
            _ => None,
        }
    }

    fn parts(&self) -> Option<&[Ty]> {
        match self {
            Self::Record(parts) | Self::Tuple(parts) => Some(parts),
            _ => None,
        }
    }

    fn flat(&self) -> Vec<Flat> {
        if let Some(parts) = self.parts() {
            return parts.iter().flat_map(Self::flat).collect();
        }
        if let Some(cases) = self.cases() {
            let mut joined: Vec<Flat> = Vec::new();
            for case in cases.into_iter().flatten() {
                for (index, flat) in case.flat().into_iter().enumerate() {
                    match joined.get_mut(index) {
                        Some(known) => *known = known.join(flat),
                        None => joined.push(flat),
                    }
                }
            }
            joined.insert(0, Flat::I32);
            return joined;
        }
        match self {
            Self::Number("s64" | "u64") => vec![Flat::I64],
            Self::Number("float32") => vec![Flat::F32],
            Self::Number("float64") => vec![Flat::F64],
            Self::Text | Self::List(_) => vec![Flat::I32, Flat::I32],
            _ => vec![Flat::I32],
        }
    }

    /// Bytes and alignment.
    fn layout(&self) -> (u32, u32) {
        if let Some(parts) = self.parts() {
            let (mut size, mut align) = (0, 1);
            for part in parts {
                let (part_size, part_align) = part.layout();
                size = aligned(size, part_align) + part_size;
                align = align.max(part_align);
            }
            return (aligned(size, align), align);
        }
        if let Some(cases) = self.cases() {
            let case = case_bytes(cases.len());
            let layouts = cases.into_iter().flatten().map(Self::layout);
            let (size, align) = layouts.fold((0, 1), |(size, align), (s, a)| (size.max(s), align.max(a)));
            let whole = align.max(case);
            return (aligned(aligned(case, align) + size, whole), whole);
        }
        match self {
            Self::Number("s8" | "u8") | Self::Bool => (1, 1),
            Self::Number("s16" | "u16") => (2, 2),
            Self::Number("s64" | "u64" | "float64") => (8, 8),
            Self::Text | Self::List(_) => (8, 4),
            Self::Flags(..=8) => (1, 1),
            Self::Flags(..=16) => (2, 2),
            _ => (4, 4),
        }
    }

    /// Code that writes core values to where the value lies in memory.
    fn store(&self, at: u32, values: &[String]) -> String {
        if let Some(parts) = self.parts() {
            let (mut out, mut offset, mut rest) = (String::new(), 0, values);
            for part in parts {
                let (size, align) = part.layout();
                offset = aligned(offset, align);
                let (own, left) = rest.split_at(part.flat().len());
                out.push_str(&part.store(at + offset, own));
                offset += size;
                rest = left;
            }
            return out;
        }
        if let Some(cases) = self.cases() {
            let bytes = case_bytes(cases.len());
            let joined = self.flat();
            let align = cases
                .iter()
                .flatten()
                .map(|case| case.layout().1)
                .max()
                .unwrap_or(1);
            let inner = at + aligned(bytes, align);
            let mut out = store_word(bytes, at, &values[0]);
            for (index, case) in cases.into_iter().enumerate() {
                let Some(case) = case else { continue };
                let slots = joined[1..].iter().zip(&values[1..]);
                let own = case.flat().into_iter().zip(slots);
                let own: Vec<String> = own
                    .map(|(want, (slot, value))| want.out_of(*slot, value))
                    .collect();
                let store = case.store(inner, &own);
                let _ = write!(
                    out,
                    "(if (i32.eq {} (i32.const {index})) (then {store}))",
                    values[0]
                );
            }
            return out;
        }
        match self {
            Self::Text | Self::List(_) => store_word(4, at, &values[0]) + &store_word(4, at + 4, &values[1]),
            Self::Number("s64" | "u64") => format!("(i64.store (i32.const {at}) {})", values[0]),
            Self::Number("float32") => format!("(f32.store (i32.const {at}) {})", values[0]),
            Self::Number("float64") => format!("(f64.store (i32.const {at}) {})", values[0]),
            _ => store_word(self.layout().0, at, &values[0]),
        }
    }

    /// A value, as it is written.
    fn value(&self, rng: &mut Rng) -> String {
        let maybe = |name: &str, ty: Option<&Ty>, rng: &mut Rng| match ty {
            Some(ty) => format!("{name}({})", ty.value(rng)),
            None => name.to_owned(),
        };
        match self {
            Self::Bool => rng.bool().to_string(),
            Self::Number(name) => number(name, rng),
            Self::Char => format!("'{}'", rng.choice(['a', 'Z', '0', 'é', '語', '𝄞']).unwrap()),
            Self::Text => {
                let text: String = (0..rng.usize(0..40))
                    .map(|_| *rng.choice(&['a', 'b', ' ', 'é', '語', '𝄞']).unwrap())
                    .collect();
                format!("\"{text}\"")
            }
            Self::List(ty) => {
                let values: Vec<String> = (0..rng.usize(0..6)).map(|_| ty.value(rng)).collect();
                format!("[{}]", values.join(", "))
            }
            Self::Record(fields) => {
                let fields = fields
                    .iter()
                    .enumerate()
                    .map(|(index, ty)| (index, ty, ty.value(rng)));
                // What is left out is none.
                let is_written =
                    |(_, ty, value): &(usize, &Ty, String)| !matches!(ty, Self::Option(_)) || value != "none";
                let fields: Vec<String> = fields
                    .filter(is_written)
                    .map(|(index, _, value)| format!("f{index}: {value}"))
                    .collect();
                if fields.is_empty() {
                    return "{:}".to_owned();
                }
                format!("{{{}}}", fields.join(", "))
            }
            Self::Tuple(parts) => {
                let parts: Vec<String> = parts.iter().map(|ty| ty.value(rng)).collect();
                format!("({})", parts.join(", "))
            }
            Self::Variant(cases) => {
                let index = rng.usize(0..cases.len());
                maybe(&format!("c{index}"), cases[index].as_ref(), rng)
            }
            Self::Option(ty) if rng.bool() => maybe("some", Some(ty), rng),
            Self::Option(_) => "none".to_owned(),
            Self::Result(ok, _) if rng.bool() => maybe("ok", ok.as_deref(), rng),
            Self::Result(_, err) => maybe("err", err.as_deref(), rng),
            Self::Enum(count) => format!("n{}", rng.usize(0..*count)),
            Self::Flags(count) => {
                let set: Vec<String> = (0..*count)
                    .filter(|_| rng.bool())
                    .map(|index| format!("n{index}"))
                    .collect();
                format!("{{{}}}", set.join(", "))
            }
        }
    }
}

fn number(name: &str, rng: &mut Rng) -> String {
    match name {
        "s8" => rng.i8(..).to_string(),
        "u8" => rng.u8(..).to_string(),
        "s16" => rng.i16(..).to_string(),
        "u16" => rng.u16(..).to_string(),
        "s32" => rng.i32(..).to_string(),
        "u32" => rng.u32(..).to_string(),
        "s64" => rng.i64(..).to_string(),
        "u64" => rng.u64(..).to_string(),
        // Halves are exact, in few digits.
        _ => (f64::from(rng.i32(-100_000..100_000)) + 0.5).to_string(),
    }
}

fn names(count: usize) -> String {
    (0..count).map(|index| format!("\"n{index}\" ")).collect()
}

fn aligned(offset: u32, align: u32) -> u32 {
    offset.next_multiple_of(align)
}

fn case_bytes(count: usize) -> u32 {
    if count <= 256 { 1 } else { 2 }
}

fn store_word(bytes: u32, at: u32, value: &str) -> String {
    let how = match bytes {
        1 => "i32.store8",
        2 => "i32.store16",
        _ => "i32.store",
    };
    format!("({how} (i32.const {at}) {value})")
}

/// A memory, and what gives it out: behind one another, for ever.
const MEMORY: &str = r#"
    (memory (export "memory") 16)
    (global $next (mut i32) (i32.const 65536))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.set $next (i32.and (i32.add (global.get $next) (i32.sub (local.get 2) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get 2))))
      (global.get $next)
      (global.set $next (i32.add (global.get $next) (local.get 3))))"#;

/// Where results lie.
const RESULTS: u32 = 1024;

/// The interface of one function that hands back what it is given.
struct Echo {
    ty: Ty,
    types: Vec<String>,
    word: String,
}

impl Echo {
    fn new(ty: Ty) -> Self {
        let mut types = Vec::new();
        let word = ty.declare(&mut types);
        Self { ty, types, word }
    }

    fn core(&self) -> String {
        let flat = self.ty.flat();
        if flat.len() > 16 {
            "i32".to_owned()
        } else {
            join(&flat)
        }
    }

    /// Whether the one result is no place in memory.
    fn is_one(&self) -> bool {
        self.ty.flat().len() == 1
    }

    /// Types of a component, exported by these names where they have any.
    fn declared(&self) -> String {
        let types = self.types.iter().enumerate();
        types
            .map(|(index, definition)| format!("(type $T{index} {definition})\n"))
            .collect()
    }

    /// The same inside the type of an instance.
    fn exported_types(&self) -> String {
        let types = self.types.iter().enumerate();
        let declare = |(index, definition): (usize, &String)| {
            // Those before it are meant by the names that they are exported by.
            format!("(type $D{index} {definition}) (export \"t{index}\" (type $T{index} (eq $D{index})))\n")
        };
        types.map(declare).collect()
    }

    fn callee(&self) -> String {
        let flat = self.ty.flat();
        let body = if flat.len() > 16 || self.is_one() {
            "(local.get 0)".to_owned()
        } else {
            let values: Vec<String> = (0..flat.len())
                .map(|index| format!("(local.get {index})"))
                .collect();
            format!("{} (i32.const {RESULTS})", self.ty.store(RESULTS, &values))
        };
        let result = if self.is_one() { flat[0].name() } else { "i32" };
        let core = self.core();
        format!(
            r#"(component
  (core module $m {MEMORY}
    (func (export "call") (param {core}) (result {result}) {body}))
  (core instance $m (instantiate $m))
  {}
  {}
)"#,
            self.declared(),
            self.exported("(canon lift (core func $m \"call\") (memory (core memory $m \"memory\")) (realloc (core func $m \"realloc\")))"),
        )
    }

    /// Exports `t:t/callee`, whose types have names, from a function that is lifted so.
    fn exported(&self, lift: &str) -> String {
        let word = &self.word;
        let count = self.types.len();
        let imports: String = (0..count)
            .zip(&self.types)
            .map(|(index, definition)| {
                format!(
                    "(type $D{index} {definition}) (import \"t{index}\" (type $T{index} (eq $D{index})))\n"
                )
            })
            .collect();
        let exports = self.exports();
        let shown = rename(word);
        let with: String = (0..count)
            .map(|index| format!("(with \"t{index}\" (type $T{index}))"))
            .collect();
        format!(
            r#"(func $call (param "it" {word}) (result {word}) {lift})
  (component $shape
    {imports}
    (import "call" (func $call (param "it" {word}) (result {word})))
    {exports}
    (export "call" (func $call) (func (param "it" {shown}) (result {shown}))))
  (instance $exported (instantiate $shape {with} (with "call" (func $call))))
  (export "t:t/callee" (instance $exported))"#
        )
    }

    /// Both in one component.
    fn fused(&self) -> String {
        let word = rename(&self.word);
        let aliases: String = (0..self.types.len())
            .map(|index| format!("(alias export $r \"t{index}\" (type $T{index}))\n"))
            .collect();
        format!(
            r#"(component
  {}
  {}
  (instance $c (instantiate $callee))
  (alias export $c "t:t/callee" (instance $t))
  (instance $r (instantiate $relay (with "t:t/callee" (instance $t))))
  {aliases} {exports}
  (alias export $r "relay" (func $f))
  (export "relay" (func $f) (func (param "it" {word}) (result {word}))))"#,
            self.callee().replacen("(component", "(component $callee", 1),
            self.relay().replacen("(component", "(component $relay", 1),
            exports = self.exports(),
        )
    }

    /// Gives types to those who see the component from outside, each made of those before it.
    fn exports(&self) -> String {
        let types = self.types.iter().enumerate();
        let export = |(index, definition): (usize, &String)| {
            let definition = rename(definition);
            format!("(type $X{index} {definition}) (export $E{index} \"t{index}\" (type $X{index}))\n")
        };
        types.map(export).collect()
    }

    /// Hands on what it is given: as core values, which it need not understand.
    fn relay(&self) -> String {
        let flat = self.ty.flat();
        let (core, word) = (self.core(), &self.word);
        let count = if flat.len() > 16 { 1 } else { flat.len() };
        let arguments: String = (0..count).map(|index| format!("(local.get {index}) ")).collect();
        let (taken, returned, body) = if self.is_one() {
            let result = flat[0].name();
            (
                core.clone(),
                format!("(result {result})"),
                format!("(call $call {arguments})"),
            )
        } else {
            let body = format!("(call $call {arguments} (i32.const {RESULTS})) (i32.const {RESULTS})");
            (format!("{core} i32"), String::new(), body)
        };
        let result = if self.is_one() { flat[0].name() } else { "i32" };
        let aliases: String = (0..self.types.len())
            .map(|index| format!("(alias export $t \"t{index}\" (type $T{index}))\n"))
            .collect();
        format!(
            r#"(component
  (import "t:t/callee" (instance $t
    {}
    (export "call" (func (param "it" {word}) (result {word})))))
  {aliases}
  (core module $store {MEMORY})
  (core instance $store (instantiate $store))
  (core func $call (canon lower (func $t "call") (memory (core memory $store "memory")) (realloc (core func $store "realloc"))))
  (core module $m
    (import "t" "call" (func $call (param {taken}) {returned}))
    (func (export "call") (param {core}) (result {result}) {body}))
  (core instance $m (instantiate $m (with "t" (instance (export "call" (func $call))))))
  (func $relay (param "it" {word}) (result {word})
    (canon lift (core func $m "call") (memory (core memory $store "memory")) (realloc (core func $store "realloc"))))
  {exports}
  (export "relay" (func $relay) (func (param "it" {shown}) (result {shown}))))"#,
            self.exported_types(),
            exports = self.exports(),
            shown = rename(word),
        )
    }
}

fn rename(word: &str) -> String {
    word.replace("$T", "$E")
}

fn join(flat: &[Flat]) -> String {
    let names: Vec<&str> = flat.iter().map(|flat| flat.name()).collect();
    names.join(" ")
}

/// Who calls, and how the callee is joined to it.
struct Joined {
    program: Program,
    links: Links,
}

impl Joined {
    fn isolated(engine: &Engine, relay: &[u8], callee: &str) -> Self {
        let link = LinkPlan {
            import: "t:t/callee".to_owned(),
            cell: 0,
            export: "t:t/callee".to_owned(),
            isolation: trapping(),
        };
        Self {
            program: Program::compile(engine, relay).unwrap(),
            links: Links {
                cells: Cells::link(vec![plan(engine, callee, CellSettings::default())], None).unwrap(),
                links: [link].into(),
            },
        }
    }

    fn fused(engine: &Engine, both: &[u8]) -> Self {
        Self {
            program: Program::compile(engine, both).unwrap(),
            links: Links::default(),
        }
    }

    async fn relay(&self, value: &str) -> String {
        let own = principal();
        let setup = Setup {
            principals: vec![PrincipalSetup {
                grants: own.grants,
                arguments: own.arguments,
                http: None,
                services: weft_runtime::Services::default(),
                denials: own.denials,
            }],
            imports: Imports::Scoped([].into()),
            links: self.links.clone(),
            limits: Limits::default(),
            heap_bytes_max: None,
            stop: Stop::new(),
            thread: Thread::Own,
        };
        let call = Call::parse(&format!("relay({value})")).unwrap();
        let report = weft_runtime::run(&self.program, &Entry::Invoke(call), setup, Observe::default()).await;
        match report.unwrap().outcome {
            Outcome::Returned(text) => text,
            other => format!("{other:?}"),
        }
    }
}

/// How many types are tried; `WEFT_CASES` says more.
fn cases() -> u64 {
    let asked = std::env::var("WEFT_CASES")
        .ok()
        .and_then(|text| text.parse().ok());
    asked.unwrap_or(40)
}

#[tokio::test]
async fn what_is_handed_over_comes_back_the_same_fused_isolated_and_as_it_was() {
    let seed = std::env::var("WEFT_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| fastrand::u64(..));
    println!("WEFT_SEED={seed}");
    let engine = |profile| Engine::new(profile, EngineOptions::default()).unwrap();
    let command = engine(Profile::Command(Concurrency::Off));
    let serving = engine(Profile::Serving(Concurrency::On));
    for case in 0..cases() {
        let mut rng = Rng::with_seed(seed.wrapping_add(case));
        let echo = Echo::new(Ty::random(&mut rng, 3));
        let read = |text: String| wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let relay = read(echo.relay());
        let joined = [
            Joined::fused(&command, &read(echo.fused())),
            Joined::isolated(&command, &relay, &echo.callee()),
            Joined::isolated(&serving, &relay, &echo.callee()),
        ];
        for _ in 0..4 {
            let value = echo.ty.value(&mut rng);
            for (way, joined) in ["fused", "isolated", "concurrent"].iter().zip(&joined) {
                let back = joined.relay(&value).await;
                assert_eq!(back, value, "{way}, case {case} of seed {seed}: {:?}", echo.ty);
            }
        }
    }
}
