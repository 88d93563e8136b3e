//! Charts are input: each of these must end in an error, soon and without exhausting memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

use std::path::Path;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use terraform_provider_nested::chart::{Archive, Chart, ChartError, KubeVersion, Release, UserValues};

fn render(template: &str) -> Result<String, ChartError> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::create_dir(directory.path().join("templates")).expect("a directory");
    write(directory.path(), "Chart.yaml", "apiVersion: v2\nname: hostile\nversion: 1.0.0\n");
    write(directory.path(), "templates/x.yaml", template);
    let chart = Chart::parse(&Archive::open(directory.path())?)?;
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
    std::fs::write(directory.join(name), text).expect("the file is written");
}

#[test]
fn endless_templates_end_in_errors() {
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
    for (name, template) in cases {
        let started = Instant::now();
        let result = render(&template);
        let error = result.expect_err(name).to_string();
        assert!(started.elapsed() < Duration::from_secs(60), "{name} took {:?}", started.elapsed());
        assert!(!error.contains("panicked"), "{name}: {error}");
    }
}

fn letter(n: u8) -> String {
    if n == 0 { "a".to_owned() } else { format!("a{n}") }
}

fn archive(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, kind, data) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_size(data.len() as u64);
        // The builder refuses such names; an attacker's does not.
        let bytes = name.as_bytes();
        header.as_gnu_mut().expect("a GNU header").name[..bytes.len()].copy_from_slice(bytes);
        if kind.is_symlink() {
            header.set_link_name("/etc/passwd").expect("a link");
        }
        header.set_cksum();
        builder.append(&header, *data).expect("an entry");
    }
    builder.into_inner().expect("a tar file").finish().expect("a gzip file")
}

#[test]
fn hostile_archives_are_refused() {
    use tar::EntryType::{Link, Regular, Symlink};
    let large = vec![0; 6 << 20];
    let half = vec![0; 4 << 20];
    let names: Vec<String> = (0..30).map(|n| format!("c/{n}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), Regular, half.as_slice())).collect();
    let cases: [(&str, Vec<u8>); 12] = [
        ("parent", archive(&[("c/../../x", Regular, b"x")])),
        ("absolute", archive(&[("c//etc/passwd", Regular, b"x")])),
        ("drive", archive(&[("c/c:/x", Regular, b"x")])),
        ("backslash", archive(&[("c\\..\\..\\x", Regular, b"x")])),
        ("top", archive(&[("Chart.yaml", Regular, b"x")])),
        ("symlink", archive(&[("c/x", Symlink, b"")])),
        ("link", archive(&[("c/x", Link, b"")])),
        ("large file", archive(&[("c/x", Regular, &large)])),
        ("large chart", archive(&many)),
        ("empty", archive(&[])),
        ("no gzip", b"apiVersion: v2".to_vec()),
        ("truncated", archive(&[("c/Chart.yaml", Regular, b"name: x")])[..40].to_vec()),
    ];
    for (name, bytes) in cases {
        let result = Archive::from_tgz(&bytes);
        assert!(matches!(result, Err(ChartError::Archive { .. })), "{name}: {result:?}");
    }
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
