//! `terraform-provider-nested render` beside `helm template`: the real programs, the same arguments; standard output,
//! error and exit status have to be the same. The error is what follows `Error: `; Helm's log lines are its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

const OURS: &str = env!("CARGO_BIN_EXE_terraform-provider-nested");

/// What a run shows.
#[derive(Debug, PartialEq)]
struct Shown {
    printed: String,
    error: String,
    status: Option<i32>,
}

/// Files that command lines name, and where both programs run.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { directory: tempfile::tempdir().expect("a temporary directory") };
        place.write("a.yaml", "replicas: 3\ntext: from a\nnested: {one: 1, two: [1, 2]}\ngone: null\n");
        place.write("b.yaml", "text: from b\nnested: {one: null, three: 1e6}\n");
        place.write("list.yaml", "- 1\n");
        place.write("broken.yaml", "a: [1\n");
        place.write("note.txt", "line 1\nline, 2\n");
        place.write("values/Chart.yaml", "apiVersion: v2\nname: values\nversion: 1.0.0\ndeprecated: true\n");
        place.write("values/values.yaml", "replicas: 1\nnested: {one: 1, four: 4}\ngone: 1\nlist: [1, {a: 1}, [1]]\n");
        place.write("values/values.schema.json", r#"{"properties": {"replicas": {"type": "integer", "maximum": 9}}}"#);
        place.write("values/templates/values.yaml", VALUES);
        place.write("broken/Chart.yaml", "apiVersion: v2\nname: broken\nversion: 1.0.0\n");
        place.write("broken/templates/a.yaml", "metadata: {annotations: {helm.sh/hook: test}}\n");
        place.write(
            "broken/templates/b.yaml",
            "\na: b: {{ .Release.Name }}\n{{ if .Values.fail }}{{ fail .Values.fail }}{{ end }}\n",
        );
        place.write("broken/templates/NOTES.txt", "not printed\n");
        place.write("library/Chart.yaml", "apiVersion: v2\nname: library\nversion: 1.0.0\ntype: library\n");
        place
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).expect("a directory");
        std::fs::write(path, text).expect("a file");
    }

    fn run(&self, program: &Path, command: &str, arguments: &[&str], input: &str) -> Shown {
        let mut child = Command::new(program)
            .arg(command)
            .args(arguments)
            .current_dir(self.directory.path())
            .env_clear()
            .env("HOME", self.directory.path())
            .env("HELM_NAMESPACE", "from-environment")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        // Whoever does not read it closes the pipe.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let Output { status, stdout, stderr } = child.wait_with_output().expect("the program ends");
        let stderr = String::from_utf8_lossy(&stderr);
        let error = stderr.find("Error: ").map_or("", |start| &stderr[start..]);
        // What --debug adds to it are places in Helm's source.
        let error = error.split("\nhelm.go:").next().unwrap_or_default();
        Shown {
            printed: String::from_utf8_lossy(&stdout).into_owned(),
            error: error.replace("helm template", "terraform-provider-nested render").trim_end().to_owned(),
            status: status.code(),
        }
    }
}

/// A chart repository on loopback that wants a password. Serves until the test ends.
fn repository() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().unwrap();
    let archive = |version: &str| {
        let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
        let template = "values: {{ toJson .Values }}\nversion: {{ .Chart.Version }}\n";
        for (name, text) in [
            ("served/Chart.yaml", format!("apiVersion: v2\nname: served\nversion: {version}\n")),
            ("served/templates/values.yaml", template.to_owned()),
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap()
    };
    let versions = ["1.0.0", "1.2.0", "2.0.0", "3.0.0-rc.1"];
    let entry = |version| format!("  - {{apiVersion: v2, name: served, version: {version}, urls: [{version}.tgz]}}\n");
    let index = format!("apiVersion: v1\nentries:\n  served:\n{}", versions.map(entry).concat());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut lines = BufReader::new(&mut stream).lines().map_while(Result::ok);
            let path = lines.next().unwrap_or_default().split(' ').nth(1).unwrap_or_default().to_owned();
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            // me:secret
            let known = head.iter().any(|line| line.to_ascii_lowercase().ends_with("basic bwu6c2vjcmv0"));
            let version = path.trim_start_matches('/').trim_end_matches(".tgz");
            let (status, body) = match path.as_str() {
                _ if !known => ("401 Unauthorized", Vec::new()),
                "/index.yaml" => ("200 OK", index.clone().into_bytes()),
                _ if versions.contains(&version) => ("200 OK", archive(version)),
                _ => ("404 Not Found", Vec::new()),
            };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    format!("http://{address}")
}

#[test]
fn charts_of_a_repository_are_those_that_helm_takes() {
    let repository = repository();
    let known = ["--username", "me", "--password", "secret"];
    let archive = format!("{repository}/1.2.0.tgz");
    let repository = ["x", "served", "--repo", &repository];
    let words = |parts: &[&[&str]]| parts.concat().into_iter().map(str::to_owned).collect::<Vec<_>>();
    compare(
        [
            words(&[&repository, &known]),
            words(&[&repository, &known, &["--devel"]]),
            words(&[&repository, &known, &["--version", "~1.0"]]),
            words(&[&repository, &known, &["--version=^1", "--set", "a=1"]]),
            words(&[&["x", &archive], &known]),
        ]
        .map(|words| (words, "")),
    );
}

#[test]
fn a_password_is_needed_and_not_shown() {
    let place = Place::new();
    let repository = repository();
    let run = |password| {
        let arguments = ["x", "served", "--repo", &repository, "--username", "me", "--password", password];
        place.run(Path::new(OURS), "render", &arguments, "")
    };
    let shown = run("secret");
    assert!(shown.printed.contains("version: 2.0.0"), "{}", shown.error);
    let shown = run("wrong-one");
    assert!(shown.error.contains("401") && !shown.error.contains("wrong-one"), "{}", shown.error);
    assert_eq!(shown.status, Some(1));
}

/// A template that shows values with their kinds.
const VALUES: &str = r#"
{{- define "kinds" }}
  {{- if kindIs "map" . }}{ {{- range $key, $value := . }}{{ $key | quote }}: {{ include "kinds" $value }}, {{ end }}}
  {{- else if kindIs "slice" . }}[ {{- range . }}{{ include "kinds" . }}, {{ end }}]
  {{- else }}{{ printf "%s %v" (kindOf .) . | quote }}{{ end }}
{{- end -}}
values: {{ toJson .Values }}
kinds: {{ include "kinds" .Values }}
release: {{ toJson .Release }}
version: {{ .Capabilities.KubeVersion }}
has: {{ .Capabilities.APIVersions.Has "mine/v1" }}
"#;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn compare(cases: impl IntoIterator<Item = (Vec<String>, &'static str)>) {
    let Some(helm) = helm_charts_testing::compare::find() else { return };
    let place = Place::new();
    let mut failures = Vec::new();
    for (arguments, input) in cases {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let theirs = place.run(&helm, "template", &arguments, input);
        let ours = place.run(Path::new(OURS), "render", &arguments, input);
        if theirs != ours {
            failures.push(format!("{arguments:?}\n  helm: {theirs:?}\n  ours: {ours:?}"));
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

fn compare_lines(lines: &[&[&str]]) {
    compare(
        lines.iter().map(|line| (line.iter().map(|word| (*word).to_owned()).collect(), "text: from standard input\n")),
    );
}

#[test]
fn values_are_merged_in_helms_order() {
    compare_lines(&[
        &["x", "./values"],
        &["./values", "-f", "a.yaml"],
        &["x", "values", "-f", "a.yaml,b.yaml"],
        &["x", "values", "-fb.yaml", "--values=a.yaml"],
        &["x", "values", "-f", "a.yaml", "-f", "-"],
        &["x", "values", "--set", "text=set", "-f", "a.yaml"],
        &["x", "values", "--set-string", "a=2", "--set", "a=1"],
        &["x", "values", "--set", "a=1", "--set-json", "a=2"],
        &["x", "values", "--set-file", "a=note.txt", "--set-string", "a=2,b=3"],
        &["x", "values", "--set-literal", "a={,\\x", "--set-file", "a=note.txt"],
        &["x", "values", "--set", "gone=null,nested.one=null,nested.four=null"],
        &["x", "values", "--set", "list[0]=null,list[1].a=5,list[2][1]=x"],
        &["x", "values", "-f", "nothing.yaml"],
        &["x", "values", "-f", "broken.yaml"],
        &["x", "values", "-f", "list.yaml"],
        &["x", "values", "--set-file", "a=nothing.txt"],
        &["x", "values", "--set", "replicas=10"],
        &["x", "values", "--set", "replicas=10", "--skip-schema-validation"],
        &["x", "values", "--set-string", "replicas=1"],
    ]);
}

#[test]
fn set_lines_mean_what_helm_takes_them_for() {
    const LINES: &[&str] = &[
        "a=1,b=-1,c=+1,d=007,e=0,f=1.5,g=1e6,h=9223372036854775807,i=9223372036854775808,j=1000000",
        "a=true,b=FALSE,c=null,d=Null,e=yes,f=~,g=,h= x ",
        "a.b.c=1,a.b.d=2",
        r"a\.b=1,c=1\,2,d=\\,e=x\=y",
        "a=x=y",
        "a={},b={1},c={1,x,true},d={a=b},e={ x },f=after",
        "a={1,2}x=3",
        "a={1",
        "a[0]=1,a[2]=3",
        "a[0].b=1,a[0].c=2",
        "a[0][1]=1",
        "a[1]={x,y}",
        "a[0]",
        "a[0]=",
        "a[0].",
        "a[0].b",
        "a[0].b=",
        "a[0]x=1",
        r#"a[0]"'é\x=1"#,
        "a[-1]=1",
        "a[x]=1",
        "a[99999999999999999999]=1",
        "a[0",
        "a[65537]=1",
        "a",
        "a,b=1",
        "a.b",
        "a.",
        "a.b.",
        ".a=1",
        "=1",
        "[0]=1",
        ",a=1",
        "",
        "a=1,",
        r"a\",
        r"a=\",
        "replicas.a=1",
        "replicas[0]=1",
        "nested[0]=1",
        "nested.one.x=1",
        "list.a=1",
        "list[0].a=1",
        "list[0][0]=1",
        "list[3].a.b=1",
        "text=x,text[0]=1",
        "text=x,text.y=1",
        "n=null,n.y=1",
        "t=true,t[0]=1",
        "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.w.x.y.z.1.2.3.4=1",
        "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.w.x.y.z.1.2.3.4.5=1",
    ];
    const FILES: &[&str] = &["a=note.txt,b=b.yaml", "a={note.txt,b.yaml}", "a[1]=note.txt", "a=", "a={}", "a=values"];
    const JSON: &[&str] = &[
        r#"a=1,b=1.5,c="x",d=null,e=[1,2],f={"g":1}"#,
        r#"a={"b":1,"c":2},a.b=3"#,
        "a=, b= ,c=1 ",
        "a= 1 , b=2",
        "a[1]=true,a[0]=",
        "a=1x=2",
        "a=1x",
        "a=x",
        "a=[1",
        "a=1e400",
        "nested.one={\"x\":1}",
        "replicas.a=1",
        "a",
    ];
    const LITERALS: &[&str] =
        &["a=1,b=2", r"a.b[1]=\x{y}", "a[0].b=x", "a[0][1]=x", "a=", "a", "a[0", "a[0]x=1", "a.b.c=", r"a\.b=1"];
    let flags = [("--set", LINES), ("--set-string", LINES), ("--set-file", FILES), ("--set-json", JSON)];
    let flags = flags.into_iter().chain([("--set-literal", LITERALS)]);
    compare(flags.flat_map(|(flag, lines)| {
        let words = move |line: &&str| ["x", "values", flag, line].map(str::to_owned).to_vec();
        lines.iter().map(words).map(|words| (words, ""))
    }));
}

/// Random lines of what is special in them. `NESTED_PROPERTY_CASES` says how many, `NESTED_PROPERTY_SEED` where to start.
#[test]
fn random_set_lines_mean_what_helm_takes_them_for() {
    const PIECES: &[&str] = &[
        "a", "b", "nested", "list", "replicas", ".", "[", "]", "[0]", "[1]", "=", "=", ",", "{", "}", "\\", "1", "0",
        "-1", "true", "null", "x", " ", "é", "\"", "'",
    ];
    let number = |name: &str, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let start: u64 = number("NESTED_PROPERTY_SEED", 1);
    let seeds = start..start + number("NESTED_PROPERTY_CASES", 40);
    compare(seeds.map(|seed| {
        let mut random = StdRng::seed_from_u64(seed);
        // Many in one run of the programs: a wrong line hides those behind it, so most are alone.
        let lines = if random.random_bool(0.3) { 3 } else { 1 };
        let mut words = vec!["x".to_owned(), "values".to_owned()];
        for _ in 0..lines {
            let flag = *["--set", "--set", "--set-string", "--set-json", "--set-literal"].choose(&mut random).unwrap();
            let length = random.random_range(1..12);
            let name = *["a", "nested.one", "list[1]", ""].choose(&mut random).unwrap();
            let pieces: String = (0..length).map(|_| *PIECES.choose(&mut random).unwrap()).collect();
            words.extend([flag.to_owned(), format!("{name}{pieces}")]);
        }
        (words, "")
    }));
}

#[test]
fn flags_do_what_they_do_in_helm() {
    let umbrella = fixture("tests/fixtures/charts/umbrella/chart").display().to_string();
    let rig = fixture("rig/chart").display().to_string();
    let (umbrella, rig) = (umbrella.as_str(), rig.as_str());
    compare_lines(&[
        &["x", rig],
        &["x", rig, "--namespace", "ns", "--kube-version", "v1.35.4"],
        &["x", rig, "-n=ns", "--kube-version=1.35"],
        &["x", rig, "-n", "", "--is-upgrade"],
        &["x", rig, "--show-only", "templates/statefulset.yaml"],
        &["x", rig, "-s", "templates/service*.yaml", "-s", "templates/*role.yaml", "-s", "templates/role.yaml"],
        &["x", rig, "-s", "templates/nothing.yaml"],
        &["x", rig, "-s", "templates/[", "-s", "templates/role.yaml"],
        &["x", umbrella],
        &["x", umbrella, "--include-crds"],
        &["x", umbrella, "--include-crds=false", "--no-hooks"],
        &["x", umbrella, "--skip-tests", "--include-crds"],
        &["x", umbrella, "--include-crds", "-s", "crds/*", "-s", "charts/*/templates/*"],
        &["x", "values", "--is-upgrade", "-a", "mine/v1,other/v1"],
        &["x", "values", "--api-versions", "other/v1", "--api-versions=mine/v1"],
        &["-g", "values"],
        &["x", "values", "--no-hooks", "--skip-schema-validation"],
        &["--", "x", "values"],
        &["x", "values", "--kube-version", " v1.30.1-eks"],
        &["x", "values", "--kube-version", "1"],
        &["x", "values", "--kube-version", "one"],
        &["x", "values", "--kube-version", "1.02.03.4"],
    ]);
}

#[test]
fn a_template_names_the_release() {
    compare_lines(&[
        &["values", "--name-template", "plain"],
        &["values", "--name-template", r#"a-{{ "B" | lower }}-{{ add 1 2 }}{{ define "x" }}{{ end }}"#],
        &["values", "--name-template", "a\n"],
        &["values", "--name-template", "{{ . }}"],
        &["values", "--name-template", "{{ if true }}"],
        &["values", "--name-template", r#"{{ include "x" . }}"#],
        &["values", "--name-template", r#"{{ toYaml "x" }}"#],
        &["values", "--name-template", r#"{{ fail "x" }}"#],
        &["values", "--name-template", "{{ .Release.Name }}"],
        &["values", "--name-template", "{{ nothing }}"],
        &["values", "--name-template", ""],
        &["values", "--name-template", "a", "-g"],
        &["./nothing", "--name-template", "{{ nothing }}"],
        &["x", "values", "--name-template", "a"],
        &["x", "values", "--name-template", "a", "-g"],
    ]);
}

#[test]
fn what_is_broken_is_printed_to_who_debugs() {
    // Helm prints the files in an order of chance, so there is one that is not empty.
    compare_lines(&[
        &["x", "broken"],
        &["x", "broken", "--debug", "-s", "templates/b.yaml"],
        &["x", "broken", "--debug", "--no-hooks", "-s", "templates/b.yaml"],
        &["x", "broken", "--debug", "-s", "templates/nothing.yaml"],
        &["x", "broken", "--debug", "--set", "fail=no"],
        &["x", "broken", "--set", "fail=no"],
        &["x", "values", "--debug"],
        &["x", "values", "--debug", "--set", "replicas=10"],
        &["x", "values", "--debug=false", "--set", "replicas=10"],
    ]);
}

#[test]
fn what_helm_refuses_is_refused_in_its_words() {
    let error = |name: &str| fixture("tests/fixtures/charts").join(name).join("chart").display().to_string();
    let charts = ["error-by-author", "error-in-chart-yaml", "error-in-output", "error-in-subchart", "error-in-syntax"];
    let charts = charts.into_iter().chain(["error-in-values-yaml", "error-kube-version", "error-missing-dependency"]);
    compare(charts.map(|chart| (vec!["x".to_owned(), error(chart)], "")));
    compare_lines(&[
        &[],
        &["x"],
        &["x", "values", "more", "and more"],
        &["x", "values", "-g"],
        &["x", "./nothing"],
        &["x", "some/nothing"],
        &["x", "/nothing"],
        &["x", "library"],
        &["X", "values"],
        &["", "values"],
        &["a-name-that-is-longer-than-fifty-three-characters-which-is-too-long", "values"],
        &["x", "values", "--set"],
        &["x", "values", "-f"],
        &["x", "values", "--include-crds=maybe"],
    ]);
}

#[test]
fn unknown_flags_are_named() {
    let place = Place::new();
    let shown = place.run(Path::new(OURS), "render", &["x", "values", "--post-renderer", "./run"], "");
    assert!(shown.error.starts_with("Error: unknown flag: --post-renderer\n"), "{}", shown.error);
    assert_eq!((shown.printed.as_str(), shown.status), ("", Some(1)));
}

#[test]
fn values_from_the_network_are_refused_before_anything_is_rendered() {
    let place = Place::new();
    let shown = place.run(Path::new(OURS), "render", &["x", "values", "-f", "https://example.com/values.yaml"], "");
    assert!(shown.error.contains("https://example.com/values.yaml is not on this machine"), "{}", shown.error);
}

#[test]
fn what_schemas_refer_to_is_fetched_unless_that_is_switched_off() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let head = BufReader::new(&mut stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
            head.for_each(drop);
            let body = r#"{"maximum": 5}"#;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    let schema = format!(r#"{{"properties": {{"replicas": {{"$ref": "{url}/replicas.json"}}}}}}"#);
    place.write("values/values.schema.json", &schema);
    let run = |more: &[&str]| {
        let arguments = [&["x", "values", "--set", "replicas=6"], more].concat();
        place.run(Path::new(OURS), "render", &arguments, "")
    };
    let shown = run(&[]);
    assert!(shown.error.contains("at '/replicas': maximum: got 6, want 5"), "{}", shown.error);
    for switch in ["--no-remote-schemas", "--skip-schema-validation"] {
        let shown = run(&[switch]);
        assert!(shown.printed.contains(r#""replicas":6"#), "{}", shown.error);
    }
}

#[test]
fn help_lists_the_command_and_the_command_its_flags() {
    let place = Place::new();
    let output = Command::new(OURS).arg("--help").output().expect("the program runs");
    assert!(String::from_utf8_lossy(&output.stdout).contains("\n  render "));
    let shown = place.run(Path::new(OURS), "render", &["--help"], "");
    assert!(shown.printed.contains("--set-string") && shown.status == Some(0), "{}", shown.printed);
}

/// A closed pipe is how `| head` says that it has seen enough.
#[test]
fn a_reader_that_stops_reading_is_no_error() {
    let place = Place::new();
    // More than a pipe holds.
    place.write("values/templates/long.yaml", "long: {{ repeat 300000 \"x\" }}\n");
    let mut child = Command::new(OURS)
        .args(["render", "x", "values"])
        .current_dir(place.directory.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the program ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !stderr.contains("Error"), "{stderr}");
}
