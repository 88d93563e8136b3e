//! Random text and numbers, different in every render.

use rand::Rng as _;
use rand::seq::{IndexedRandom as _, SliceRandom as _};

use super::super::limits::Fault;
use super::super::value::Value;
use super::{Context, Row, int, text};

pub(super) const TABLE: &[Row] = &[
    ("randAlphaNum", "i", |context, args| random(context, args, |c| c.is_ascii_alphanumeric())),
    ("randAlpha", "i", |context, args| random(context, args, |c| c.is_ascii_alphabetic())),
    ("randNumeric", "i", |context, args| random(context, args, |c| c.is_ascii_digit())),
    ("randAscii", "i", |context, args| random(context, args, |c| c == ' ' || c.is_ascii_graphic())),
    ("randInt", "ii", rand_int),
    ("randBytes", "i", rand_bytes),
    ("shuffle", "s", shuffle),
    ("uuidv4", "", |_, _| Ok(uuid().into())),
];

fn count(context: &Context, args: &[Value]) -> Result<usize, Fault> {
    let count = usize::try_from(int(&args[0])?).unwrap_or(0);
    context.budget.text(count)?;
    Ok(count)
}

fn random(context: &Context, args: &[Value], allowed: fn(char) -> bool) -> Result<Value, Fault> {
    let alphabet: Vec<char> = (' '..='~').filter(|c| allowed(*c)).collect();
    let mut rng = rand::rng();
    let chars = (0..count(context, args)?).filter_map(|_| alphabet.choose(&mut rng));
    Ok(chars.collect::<String>().into())
}

fn rand_int(_: &Context, args: &[Value]) -> Result<Value, Fault> {
    let (min, max) = (int(&args[0])?, int(&args[1])?);
    match min < max {
        true => Ok(Value::Int(rand::rng().random_range(min..max))),
        false => Err("invalid argument to Intn".into()),
    }
}

fn rand_bytes(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    use base64::Engine as _;
    let mut bytes = vec![0; count(context, args)?];
    rand::rng().fill(&mut bytes[..]);
    Ok(base64::engine::general_purpose::STANDARD.encode(bytes).into())
}

fn shuffle(_: &Context, args: &[Value]) -> Result<Value, Fault> {
    let mut chars: Vec<char> = text(&args[0])?.chars().collect();
    chars.shuffle(&mut rand::rng());
    Ok(chars.into_iter().collect::<String>().into())
}

fn uuid() -> String {
    let mut bytes: [u8; 16] = rand::rng().random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = super::encoding::hex(&bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
