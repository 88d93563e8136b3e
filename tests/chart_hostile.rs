//! Charts are input: each of these must end in an error, soon and without exhausting memory.
//! Every test runs in a process of its own, whose memory is limited.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

use std::path::Path;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use terraform_provider_nested::chart::{Archive, Chart, ChartError, KubeVersion, Release, UserValues};

/// What a process may map: the program, the stack of a render (of which it uses little) and about 700 MiB.
const MEMORY_KIB: u32 = 1 << 20;

/// Runs a test in a process whose memory is limited.
fn bounded(test: &str, body: impl FnOnce()) {
    const INSIDE: &str = "NESTED_TEST_IS_BOUNDED";
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let script = format!("ulimit -v {MEMORY_KIB} && exec \"$0\" --exact \"$1\" --nocapture");
    let program = std::env::current_exe().expect("the test's program");
    let mut command = std::process::Command::new("sh");
    let output = command.arg("-c").arg(script).arg(program).arg(test).env(INSIDE, "1").output().expect("a process");
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{}\n{out}\n{errors}", output.status);
}

/// For how long this process has computed: whatever else the machine does, a chart takes no more of it.
fn computed() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("this process");
    // After the name, which may hold anything, the 12th and 13th: in the program and in the system, in ticks of 10 ms.
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("ticks")).sum();
    Duration::from_millis(ticks * 10)
}

/// Each must end in an error that is neither a panic nor long in coming.
fn each_ends<T>(cases: impl IntoIterator<Item = (&'static str, T)>, run: impl Fn(T) -> Result<String, ChartError>) {
    for (name, case) in cases {
        println!("{name}");
        let before = computed();
        let error = run(case).expect_err(name).to_string();
        let took = computed() - before;
        println!("  {took:?} {}", error.chars().take(200).collect::<String>());
        assert!(took < Duration::from_secs(120), "{name} took {took:?}");
        assert!(!error.contains("panicked"), "{name}: {error}");
    }
}

const METADATA: &str = "apiVersion: v2\nname: hostile\nversion: 1.0.0\n";

fn render(template: &str) -> Result<String, ChartError> {
    render_files(&[("templates/x.yaml", template)])
}

fn render_files(files: &[(&str, &str)]) -> Result<String, ChartError> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    write(directory.path(), "Chart.yaml", METADATA);
    for (name, text) in files {
        write(directory.path(), name, text);
    }
    render_archive(&Archive::open(directory.path())?)
}

fn render_archive(archive: &Archive) -> Result<String, ChartError> {
    let chart = Chart::parse(archive)?;
    let release = Release {
        name: "x",
        namespace: "x",
        revision: 1,
        is_install: true,
        kube_version: &KubeVersion::parse("1.35.0").expect("a version"),
        api_versions: &[],
        values: &UserValues::default(),
    };
    chart.render(&release).map(|rendered| rendered.to_text())
}

fn write(directory: &Path, name: &str, text: &str) {
    let path = directory.join(name);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    std::fs::write(path, text).expect("the file is written");
}

#[test]
fn endless_templates_end_in_errors() {
    bounded("endless_templates_end_in_errors", endless_templates);
}

fn endless_templates() {
    let doubling = (0..60).map(|n| {
        format!("{{{{ define \"t{n}\" }}}}{}{{{{ end }}}}", {
            let next = format!("{{{{ include \"t{}\" . }}}}", n + 1);
            format!("{next}{next}")
        })
    });
    let exponential = doubling.collect::<String>() + "{{ define \"t60\" }}x{{ end }}{{ include \"t0\" . }}";
    let cases = [
        ("recursion", "{{ define \"a\" }}{{ template \"a\" . }}{{ end }}{{ template \"a\" . }}".to_owned()),
        ("include", "{{ define \"a\" }}{{ include \"a\" . }}{{ end }}{{ include \"a\" . }}".to_owned()),
        ("tpl", "{{ $_ := set . \"t\" \"{{ tpl .t . }}\" }}{{ tpl .t . }}".to_owned()),
        ("doubling", exponential),
        ("repeat", "{{ repeat 1000000000000 \"x\" }}".to_owned()),
        ("repeats", "{{ range until 1000000 }}{{ repeat 1000000 \"x\" }}{{ end }}".to_owned()),
        ("until", "{{ until 9223372036854775807 }}".to_owned()),
        ("range", "{{ range 9223372036854775807 }}{{ end }}".to_owned()),
        ("seq", "{{ seq 1 1 9223372036854775807 }}".to_owned()),
        ("indent", "{{ indent 9223372036854775807 \"x\" }}".to_owned()),
        ("printf", "{{ printf \"%999999d%999999d\" 1 2 | repeat 9999999 }}".to_owned()),
        ("replace", "{{ $x := repeat 100000 \"x\" }}{{ replace \"\" $x $x }}".to_owned()),
        ("regex", "{{ $x := repeat 100000 \"x\" }}{{ regexReplaceAll \"x*\" $x \"$0$0$0$0$0$0\" | regexReplaceAll \"x\" $x }}".to_owned()),
        ("self", "{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ toYaml $d }}".to_owned()),
        ("self printed", "{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ $d }}".to_owned()),
        ("self copied", "{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ deepCopy $d }}".to_owned()),
        ("self merged", "{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ merge $d (deepCopy .Values) $d }}{{ toJson $d }}".to_owned()),
        ("shared", format!("{}{{{{ toYaml $d }}}}", "{{ $d := dict \"x\" 1 }}".to_owned()
            + &"{{ $d = dict \"a\" $d \"b\" $d }}".repeat(60))),
        ("shared equal", format!("{}{{{{ deepEqual $d $e }}}}", "{{ $d := list 1 }}{{ $e := list 1 }}".to_owned()
            + &"{{ $d = list $d $d }}{{ $e = list $e $e }}".repeat(60))),
        ("growing", format!("{{{{ $s := \"xxxxxxxx\" }}}}{}{{{{ $s }}}}", "{{ $s = print $s $s $s $s }}".repeat(60))),
        ("growing list", format!("{{{{ $l := list 1 }}}}{}{{{{ len $l }}}}", "{{ $l = concat $l $l $l $l }}".repeat(60))),
        ("parentheses", format!("{{{{ {}1{} }}}}", "(".repeat(100_000), ")".repeat(100_000))),
        ("blocks", "{{ if true }}".repeat(100_000)),
        ("alias bomb", "a: &a [x,x,x,x,x,x,x,x]\n".to_owned()
            + &(0..30).map(|n| { let (a, b) = (letter(n), letter(n + 1)); format!("{b}: &{b} [*{a},*{a},*{a},*{a},*{a},*{a},*{a}]\n") }).collect::<String>()),
        ("deep yaml", "[".repeat(200_000)),
        ("deep yaml from text", "{{ fromYaml (repeat 200000 \"{a: \") | toYaml }}{{ fail \"done\" }}".to_owned()),
        ("deep json from text", "{{ fromJson (repeat 200000 \"[\") | toYaml }}{{ fail \"done\" }}".to_owned()),
    ];
    each_ends(cases, |template| render(&template));
}

/// What is small to write and costs much to make, to keep or to look through.
#[test]
fn costly_calls_end_in_errors() {
    bounded("costly_calls_end_in_errors", || each_ends(costly_calls(), |template| render(&template)));
}

fn costly_calls() -> Vec<(&'static str, String)> {
    let long = "{{ $x := repeat 8000000 \"x\" }}";
    let many = "{{ $l := until 1000000 }}";
    let looped = |call: &str| format!("{long}{{{{ range until 300000 }}}}{{{{ $_ := {call} }}}}{{{{ end }}}}");
    let of_text = [
        "trimAll $x $x",
        "nospace $x",
        "quote $x",
        "cat $x $x $x $x",
        "replace \"x\" \"\" $x",
        "splitList \"x\" $x",
        "wrap 3000000 $x",
        "substr 0 7000000 $x",
        "toJson $x",
        "fromYaml $x",
        "fromYaml (replace \"x\" \"- \" $x)",
        "fromYamlArray (replace \"xxxx\" \"[],\" $x | printf \"[%s]\")",
        "fromJsonArray (replace \"xx\" \"1,\" $x | printf \"[%s1]\")",
        "tpl (replace \"xxxxx\" \"{{.}}\" $x) .",
        "tpl (replace \"xxxx\" \"(1) \" $x | printf \"{{ list %s }}\") .",
        "regexMatch \"(a|x)*y\" $x",
        "regexMatch \"(x?){100}(x?){100}y\" $x",
        "regexMatch \".*.*.*.*[^x]\" $x",
        "regexFindAll \".*[^x]|x\" $x -1",
        "regexSplit \"\" $x -1",
        "fromToml (replace \"xx\" \"1,\" $x | printf \"a = [%s]\")",
        "fromToml (printf \"[a%s]\" (repeat 100000 \".a\"))",
        "fromToml (printf \"a = %s\" (repeat 100000 \"[\"))",
        "toToml (dict \"a\" $x)",
        "toYamlPretty $x",
        "genPrivateKey \"rsa\"",
        "derivePassword 1 \"long\" \"x\" \"y\" \"z\"",
        "encryptAES $x $x",
        "regexMatch (repeat 100000 \"(a|b)\") $x",
        "regexMatch (repeat 200000 \"(\") \"x\"",
        "regexMatch \"((a{1000}){1000}){1000}\" \"x\"",
        "regexMatch \"[\\\\pL\\\\pN]{1000}\" \"x\"",
        "$.Files.Glob (repeat 10000 \"*?\")",
        "$.Files.Glob (repeat 100000 \"{a,\")",
        "semver $x",
        "semverCompare $x \"1.2.3\"",
        "duration $x",
        "printf \"%s%s%s%s\" $x $x $x $x",
        "printf \"%.900000f%.900000e%.900000g\" 1.5 1.5 1.5",
        "printf \"%q\" $x",
        "randAlphaNum 8000000",
    ];
    let of_list = [
        "rest $l",
        "reverse $l",
        "append $l 1",
        "chunk 1 $l",
        "uniq $l",
        "has -1 $l",
        "sortAlpha $l",
        "join \",\" $l",
        "toStrings $l",
        "deepCopy $l",
        "toYaml $l",
        "quote $l $l $l",
    ];
    let repeated =
        format!("{long}{{{{ $l := list }}}}{{{{ range until 3000 }}}}{{{{ $l = append $l $x }}}}{{{{ end }}}}");
    let of_repeated = ["join \"\" $l", "sortAlpha $l", "toStrings $l", "print $l", "toYaml $l", "uniq $l", "quote $l"];
    let nested = "{{ $l := list }}{{ range until 400000 }}{{ $l = list $l }}{{ end }}";
    let maps = "{{ $d := dict }}{{ range until 2000000 }}{{ $_ := set $d (toString .) . }}{{ end }}";
    let mut cases: Vec<_> = of_text.into_iter().map(|call| (call, looped(call))).collect();
    cases.extend(
        of_list.map(|call| (call, format!("{many}{{{{ range until 1000 }}}}{{{{ $_ := {call} }}}}{{{{ end }}}}"))),
    );
    cases.extend(of_repeated.map(|call| (call, format!("{repeated}{{{{ $_ := {call} }}}}{{{{ fail \"done\" }}}}"))));
    cases.extend(
        ["print $l", "toYaml $l", "deepEqual $l $l", "deepCopy $l"]
            .map(|call| (call, format!("{nested}{{{{ $_ := {call} }}}}{{{{ fail \"done\" }}}}"))),
    );
    cases.push(("a dropped nest", format!("{nested}{{{{ $l = 1 }}}}{{{{ fail \"done\" }}}}")));
    cases.push(("a kept nest", format!("{nested}{{{{ fail \"done\" }}}}")));
    cases.push(("large map", maps.to_owned()));
    cases.push((
        "long lists",
        "{{ $l := list }}{{ range until 300000 }}{{ $l = list $l ".to_owned() + &"1 ".repeat(10_000) + "}}{{ end }}",
    ));
    cases
}

/// Syntax without end, or more of it than a chart can mean.
#[test]
fn monstrous_syntax_ends_in_errors() {
    bounded("monstrous_syntax_ends_in_errors", || each_ends(monstrous_syntax(), |template| render(&template)));
}

fn monstrous_syntax() -> Vec<(&'static str, String)> {
    let variables: String = (0..200_000).map(|n| format!("{{{{ $v{n} := 1 }}}}")).collect();
    vec![
        ("actions", "{{.}}".repeat(900_000)),
        ("arguments", format!("{{{{ list {} }}}}", "1 ".repeat(2_000_000))),
        ("fields", format!("{{{{ {} }}}}", ".a".repeat(2_000_000))),
        ("pipe", format!("{{{{ 1 {} | fail }}}}", "| print ".repeat(400_000))),
        ("variables", format!("{variables}{{{{ fail \"done\" }}}}")),
        ("defines", (0..100_000).map(|n| format!("{{{{ define \"{n}\" }}}}x")).collect()),
        ("else ifs", format!("{{{{ if false }}}}{}{{{{ end }}}}", "{{ else if true }}".repeat(100_000))),
        ("ranges", "{{ range . }}".repeat(100_000)),
        ("comment", format!("{{{{/* {}", "*".repeat(4_000_000))),
        ("quote", format!("{{{{ \"{}", "\\".repeat(4_000_000))),
        ("number", format!("{{{{ {} }}}}", "9".repeat(4_000_000))),
        ("delimiters", "{{".repeat(2_000_000)),
        ("trimmed space", format!("{}{{{{- fail }}}}", " ".repeat(4_000_000))),
        ("name", format!("{{{{ template \"{}\" }}}}", "x".repeat(4_000_000))),
    ]
}

/// What becomes much when it is read.
#[test]
fn hostile_documents_end_in_errors() {
    bounded("hostile_documents_end_in_errors", || {
        each_ends(hostile_documents(), |text| render(&text));
        each_ends(hostile_documents(), |text| render_files(&[("values.yaml", &text)]));
        each_ends(hostile_documents(), |text| render_files(&[("Chart.yaml", &text)]));
    });
}

fn hostile_documents() -> Vec<(&'static str, String)> {
    let laughs = (0..30).map(|n| format!("a{}: &a{} [*a{n}, *a{n}]\n", n + 1, n + 1)).collect::<String>();
    let merges =
        (0..30).map(|n| format!("a{}: &a{} {{<<: [*a{n}, *a{n}], b{n}: *a{n}}}\n", n + 1, n + 1)).collect::<String>();
    let long = format!("a: &a {}\n", "x".repeat(1 << 20));
    vec![
        ("laughs", format!("a0: &a0 [x, x]\n{laughs}")),
        ("merges", format!("a0: &a0 {{x: 1, y: 2}}\n{merges}")),
        ("long text repeated", format!("{long}b: [{}]", "*a,".repeat(1000))),
        ("long key repeated", format!("{long}b: [{}]", "{*a : 1},".repeat(1000))),
        ("itself", "a: &a [*a]".to_owned()),
        ("deep brackets", "[".repeat(1_000_000)),
        ("deep braces", "{a: ".repeat(500_000)),
        ("deep dashes", "- ".repeat(1_000_000)),
        ("deep questions", "? ".repeat(1_000_000)),
        ("deep indentation", (0..2000).map(|n| format!("{}a:\n", " ".repeat(n))).collect()),
        ("many values", format!("a: [{}]", "a,".repeat(2_000_000))),
        ("many keys", format!("a: {{{}}}", "a,".repeat(2_000_000))),
        ("many anchors", (0..100_000).map(|n| format!("- &a{n} x\n")).collect::<String>() + "- *b"),
        ("many brackets", "[".repeat(400) + &"[]".repeat(1_000_000)),
        ("long tag", format!("a: !<{}> b: c", "%41".repeat(1_000_000))),
        ("escapes", format!("a: \"{}", "\\x41".repeat(1_000_000))),
        ("unended quote", format!("a: '{}", "x\n".repeat(1_000_000))),
        ("directives", "%YAML 1.1\n".repeat(100_000)),
        ("no value", format!("a: {}", "& ".repeat(1_000_000))),
    ]
}

/// Schemas that lead elsewhere, to themselves, or ever on.
#[test]
fn hostile_schemas_end_in_errors() {
    let secret = std::env::temp_dir().join("nested-hostile-schema.json");
    std::fs::write(&secret, "{}").expect("a file outside the chart");
    let secret = format!("{{\"$ref\": \"file://{}\"}}", secret.display());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let remote = format!("{{\"$ref\": \"http://{}/x.json\"}}", listener.local_addr().expect("an address"));
    let twice = |inner: &str| format!(r#"{{"allOf": [{inner}, {inner}]}}"#);
    let links = (0..60).map(|n| format!(r##""{n}": {}"##, twice(&format!(r##"{{"$ref": "#/$defs/{}"}}"##, n + 1))));
    let links = links.collect::<Vec<_>>().join(", ");
    let doubling = format!(r##"{{"$ref": "#/$defs/0", "$defs": {{{links}, "60": {{}}}}}}"##);
    let levels = twice(r##"{"properties": {"k": {"$ref": "#"}}}"##);
    let cases = [
        ("file", secret),
        ("remote", remote),
        ("itself", r##"{"$ref": "#"}"##.to_owned()),
        (
            "circle",
            r##"{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}"##.to_owned(),
        ),
        ("nowhere", r##"{"$ref": "#/$defs/a"}"##.to_owned()),
        ("deep", "{\"not\":".repeat(100_000)),
        ("deep items", format!("{}{{}}{}", "{\"allOf\":[".repeat(50), "]}".repeat(49))),
        ("pattern", r#"{"patternProperties": {"((a{1000}){1000}){1000}": {}}}"#.to_owned()),
        ("doubling", doubling),
        ("doubling at every level", levels),
        (
            "slow pattern",
            r#"{"properties": {"a": {"pattern": "(a?){200}(a?){200}(a?){200}(a?){200}(a?){200}b"}}}"#.to_owned(),
        ),
        ("no schema", "[1]".to_owned()),
    ];
    let values = format!("a: {}\nk: {}{}", "a".repeat(1_000_000), "{k: ".repeat(200), "}".repeat(200));
    each_ends(cases, |schema| render_files(&[("values.schema.json", &schema), ("values.yaml", &values)]));
    listener.set_nonblocking(true).expect("a socket");
    assert!(listener.accept().is_err(), "nothing is fetched");
}

fn letter(n: u8) -> String {
    if n == 0 { "a".to_owned() } else { format!("a{n}") }
}

fn archive(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    archive_of_bytes(&entries.iter().map(|(name, kind, data)| (name.as_bytes(), *kind, *data)).collect::<Vec<_>>())
}

fn archive_of_bytes(entries: &[(&[u8], tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, kind, data) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_size(data.len() as u64);
        // The builder refuses such names; an attacker's does not.
        header.as_gnu_mut().expect("a GNU header").name[..name.len()].copy_from_slice(name);
        if kind.is_symlink() || kind.is_hard_link() {
            header.set_link_name("/etc/passwd").expect("a link");
        }
        header.set_cksum();
        builder.append(&header, *data).expect("an entry");
    }
    builder.into_inner().expect("a tar file").finish().expect("a gzip file")
}

fn gzip(data: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).expect("a Vec takes everything");
    encoder.finish().expect("a gzip file")
}

/// A record of a PAX header: its own length, the key, the value.
fn pax(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let len = (rest..).find(|len| len.to_string().len() + rest == *len).expect("a length");
    [format!("{len} {key}=").as_bytes(), value, b"\n"].concat()
}

#[test]
fn hostile_archives_are_refused() {
    bounded("hostile_archives_are_refused", hostile_archives);
}

fn hostile_archives() {
    use tar::EntryType::{self, Block, Char, Fifo, GNULongName, GNUSparse, Link, Regular, Symlink, XHeader};
    let large = vec![0; 6 << 20];
    let half = vec![0; 4 << 20];
    let names = |count: usize| (0..count).map(|n| format!("c/{n}")).collect::<Vec<_>>();
    let entries = |count: usize, data| {
        let names = names(count);
        archive(&names.iter().map(|name| (name.as_str(), Regular, data)).collect::<Vec<_>>())
    };
    let link = |kind: EntryType| archive(&[("c/Chart.yaml", Regular, METADATA.as_bytes()), ("c/x", kind, b"")]);
    let long_name = vec![b'a'; 5000];
    let endless = |size: &[u8; 12]| {
        let mut header = tar::Header::new_gnu();
        header.set_path("c/x").expect("a path");
        header.as_old_mut().size.copy_from_slice(size);
        header.set_cksum();
        gzip(header.as_bytes())
    };
    let zeros = gzip(&vec![0; 200 << 20]);
    let cases: [(&str, Vec<u8>); 28] = [
        ("parent", archive(&[("c/../../x", Regular, b"x")])),
        ("parent after a name", archive(&[("c/a/../../x", Regular, b"x")])),
        ("absolute", archive(&[("c//etc/passwd", Regular, b"x")])),
        ("drive", archive(&[("c/c:/x", Regular, b"x")])),
        ("backslash", archive(&[("c\\..\\..\\x", Regular, b"x")])),
        ("top", archive(&[("Chart.yaml", Regular, b"x")])),
        ("not UTF-8", archive_of_bytes(&[(b"c/\xff", Regular, b"x")])),
        ("long name", archive(&[("././@LongLink", GNULongName, &long_name), ("c/x", Regular, b"x")])),
        ("long name in PAX", archive(&[("c/x", XHeader, &pax("path", &long_name)), ("c/x", Regular, b"x")])),
        ("parent in PAX", archive(&[("c/x", XHeader, &pax("path", b"c/../../x")), ("c/x", Regular, b"x")])),
        ("size in PAX", archive(&[("c/x", XHeader, &pax("size", b"99999999999999")), ("c/x", Regular, b"x")])),
        ("negative size", endless(b"-00000000001")),
        ("huge size", endless(b"777777777777")),
        ("binary size", endless(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")),
        ("symlink", link(Symlink)),
        ("link", link(Link)),
        ("fifo", link(Fifo)),
        ("character device", link(Char)),
        ("block device", link(Block)),
        ("sparse file", link(GNUSparse)),
        ("large file", archive(&[("c/x", Regular, &large)])),
        ("large chart", entries(30, &half)),
        ("many files", entries(10_001, b"")),
        ("zeros", zeros),
        ("empty", archive(&[])),
        ("nothing", Vec::new()),
        ("no gzip", b"apiVersion: v2".to_vec()),
        ("truncated", archive(&[("c/Chart.yaml", Regular, b"name: x")])[..40].to_vec()),
    ];
    each_ends(cases, |bytes| match Archive::from_tgz(&bytes) {
        Err(error @ ChartError::Archive { .. }) => Err(error),
        other => panic!("{other:?}"),
    });
}

/// What archives within an archive unfold into counts together.
#[test]
fn hostile_subcharts_end_in_errors() {
    bounded("hostile_subcharts_end_in_errors", hostile_subcharts);
}

fn hostile_subcharts() {
    use tar::EntryType::Regular;
    let bomb = archive(&[("s/Chart.yaml", Regular, METADATA.as_bytes()), ("s/x", Regular, &vec![0; 5 << 20])]);
    let nest = |depth: usize, width: usize| {
        (0..depth).fold(bomb.clone(), |inner, _| {
            let names: Vec<_> = (0..width).map(|n| format!("c/charts/{n}.tgz")).collect();
            let mut entries = vec![("c/Chart.yaml", Regular, METADATA.as_bytes())];
            entries.extend(names.iter().map(|name| (name.as_str(), Regular, inner.as_slice())));
            archive(&entries)
        })
    };
    let names: Vec<_> = (0..600).map(|n| format!("c/charts/{n}/Chart.yaml")).collect();
    let mut many = vec![("c/Chart.yaml", Regular, METADATA.as_bytes())];
    many.extend(names.iter().map(|name| (name.as_str(), Regular, METADATA.as_bytes())));
    let templates: Vec<_> = (0..20).map(|n| format!("c/templates/{n}")).collect();
    let text = "{{.}}".repeat(1 << 20);
    let mut parsed = vec![("c/Chart.yaml", Regular, METADATA.as_bytes())];
    parsed.extend(templates.iter().map(|name| (name.as_str(), Regular, text.as_bytes())));
    let values: Vec<_> =
        (0..20).map(|n| (format!("c/charts/{n}/Chart.yaml"), format!("c/charts/{n}/values.yaml"))).collect();
    let text = format!("a: [{}]", "a,".repeat(400_000));
    let mut read = vec![("c/Chart.yaml", Regular, METADATA.as_bytes())];
    for (chart, values) in &values {
        read.push((chart, Regular, METADATA.as_bytes()));
        read.push((values, Regular, text.as_bytes()));
    }
    let cases = [
        ("wide", nest(1, 100)),
        ("wide and deep", nest(4, 20)),
        ("deep archives", nest(12, 1)),
        ("many", archive(&many)),
        ("templates", archive(&parsed)),
        ("values", archive(&read)),
    ];
    each_ends(cases, |bytes| render_archive(&Archive::from_tgz(&bytes)?));
}

/// Links are followed, as Helm follows them: who has a directory can read what its links lead to.
#[cfg(unix)]
#[test]
fn hostile_directories_end_in_errors() {
    bounded("hostile_directories_end_in_errors", hostile_directories);
}

#[cfg(unix)]
fn hostile_directories() {
    use std::os::unix::fs::symlink;
    fn fifo(path: &Path) {
        assert!(std::process::Command::new("mkfifo").arg(path).status().expect("mkfifo").success());
    }
    type Make = fn(&Path);
    let cases: [(&str, Make); 11] = [
        ("loop", |chart| symlink(".", chart.join("a")).expect("a link")),
        ("loops", |chart| ["a", "b"].iter().for_each(|name| symlink(".", chart.join(name)).expect("a link"))),
        ("dangling", |chart| symlink("nowhere", chart.join("a")).expect("a link")),
        ("itself", |chart| symlink("a", chart.join("a")).expect("a link")),
        ("endless", |chart| symlink("/dev/zero", chart.join("a")).expect("a link")),
        ("fifo", |chart| fifo(&chart.join("a"))),
        ("huge", |chart| {
            std::fs::File::create(chart.join("a")).expect("a file").set_len(1 << 40).expect("a sparse file");
        }),
        ("huge rules", |chart| {
            std::fs::File::create(chart.join(".helmignore")).expect("a file").set_len(1 << 40).expect("a sparse file");
        }),
        ("many rules", |chart| write(chart, ".helmignore", &"a\n".repeat(1000))),
        ("long rules", |chart| write(chart, ".helmignore", &"*?".repeat(10_000))),
        ("many files", |chart| (0..10_001).for_each(|n| write(chart, &format!("x/{n}"), ""))),
    ];
    each_ends(cases, |make| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        write(directory.path(), "Chart.yaml", METADATA);
        make(directory.path());
        render_archive(&Archive::open(directory.path())?)
    });
    let directory = tempfile::tempdir().expect("a temporary directory");
    let chart = directory.path().join("chart.tgz");
    fifo(&chart);
    each_ends([("a fifo for an archive", chart.as_path()), ("a device", Path::new("/dev/zero"))], |path| {
        render_archive(&Archive::open(path)?)
    });
}

#[test]
fn a_directory_and_its_archive_are_the_same_chart() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    write(directory.path(), "Chart.yaml", "apiVersion: v2\nname: same\nversion: 1.0.0\n");
    write(directory.path(), ".helmignore", "*.md\n");
    write(directory.path(), "README.md", "left out\n");
    let opened = Archive::open(directory.path()).expect("the directory opens");
    let kept = Archive::from_tgz(opened.to_tgz()).expect("the archive opens");
    assert_eq!(opened.digest(), kept.digest());
    assert_eq!(opened.to_tgz(), kept.to_tgz());
    write(directory.path(), "README.md", "changed\n");
    let again = Archive::open(directory.path()).expect("the directory opens");
    assert_eq!(again.digest(), opened.digest(), "what is left out does not count");
    write(directory.path(), "values.yaml", "a: 1\n");
    let changed = Archive::open(directory.path()).expect("the directory opens");
    assert_ne!(changed.digest(), opened.digest());
}
