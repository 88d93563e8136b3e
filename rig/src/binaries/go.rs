//! Runs `go build`, and says while it runs how far it is. Knows nothing of caches, nor where programs come from.

use std::{
    ffi::OsStr,
    fs,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

/// For whom waits: a line on standard error every 20 seconds.
pub(super) struct Progress {
    start: Instant,
    next: Instant,
}

impl Progress {
    const EVERY: Duration = Duration::from_secs(20);

    /// Has its first line when asked for the first time.
    pub fn at_once() -> Self {
        let start = Instant::now();
        Self { start, next: start }
    }

    /// Has its first line in 20 seconds.
    pub fn later() -> Self {
        let start = Instant::now();
        Self { start, next: start + Self::EVERY }
    }

    /// Writes what `text` gives, if it is time to.
    pub fn say(&mut self, text: impl FnOnce() -> String) {
        if Instant::now() >= self.next {
            eprintln!("rig: {}, {}", self.elapsed(), text());
            self.next += Self::EVERY;
        }
    }

    /// Since the start, as `M:SS`.
    pub fn elapsed(&self) -> String {
        let seconds = self.start.elapsed().as_secs();
        format!("{}:{:02}", seconds / 60, seconds % 60)
    }
}

/// One `go build` of several programs of a module.
pub(super) struct Build<'a> {
    pub go: PathBuf,
    /// Directory of the module.
    pub module: PathBuf,
    /// The programs.
    pub packages: Vec<&'static str>,
    /// `-X` options of the linker without the `-X`.
    pub stamps: &'static [&'static str],
    /// Where the programs go, which is there and empty.
    pub directory: &'a Path,
}

/// The file name that Go gives to a program: the last part of its package's path that is no version.
pub(super) fn built_as(package: &str) -> &str {
    let is_version = |part: &str| part.strip_prefix('v').is_some_and(|number| number.parse::<u32>().is_ok());
    package.rsplit('/').find(|part| !is_version(part)).unwrap_or(package)
}

/// What Go has written.
#[derive(Default)]
struct Written {
    /// Modules that it downloads.
    downloads: usize,
    /// Packages that it listed, or compiled.
    packages: usize,
    /// All else.
    complaints: String,
}

impl Written {
    fn take(&mut self, line: &str) {
        if line.starts_with("go: downloading ") {
            self.downloads += 1;
        } else if !line.contains(' ') {
            self.packages += 1;
        } else {
            self.complaints += line;
            self.complaints.push('\n');
        }
    }
}

impl Build<'_> {
    /// Builds. How Go ended, and what it complained about.
    pub fn run(&self) -> io::Result<(ExitStatus, String)> {
        let mut progress = Progress::later();
        // Counts what there is to compile, and downloads modules on the way.
        let (status, listed) = follow(self.command(["list", "-deps"]), |written| {
            progress.say(|| match written.downloads {
                0 => "Go finds out what there is to compile".to_owned(),
                count => format!("Go downloads modules, {count} so far"),
            });
        })?;
        if !status.success() {
            return Ok((status, listed.complaints));
        }
        let (total, programs) = (listed.packages, self.packages.len());
        let (status, built) = follow(self.build(), |written| {
            progress.say(|| {
                // What an earlier build left in Go's own cache is not compiled again.
                let linked = fs::read_dir(self.directory).map_or(0, Iterator::count);
                let compiled = written.packages;
                format!("{compiled} of at most {total} packages compiled, {linked} of {programs} programs linked")
            });
        })?;
        if status.success() {
            eprintln!("rig: built in {}", progress.elapsed());
        }
        Ok((status, built.complaints))
    }

    fn build(&self) -> Command {
        let stamps: String = self.stamps.iter().map(|stamp| format!(" -X {stamp}")).collect();
        let linking = format!("-s -w{stamps}");
        // With the slash at its end it is taken for a directory even for one program.
        let directory = self.directory.join("");
        self.command([
            OsStr::new("build"),
            OsStr::new("-v"),
            OsStr::new("-trimpath"),
            OsStr::new("-buildvcs=false"),
            // What the linker drops (-s -w) need not be made for it.
            OsStr::new("-gcflags=all=-dwarf=false"),
            OsStr::new("-ldflags"),
            OsStr::new(&linking),
            OsStr::new("-o"),
            directory.as_os_str(),
        ])
    }

    /// Go with `arguments` for the packages.
    fn command(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(&self.go);
        command.arg("-C").arg(&self.module).args(arguments).args(&self.packages);
        // Not GOFLAGS, which may say anything.
        command.env("CGO_ENABLED", "0").env_remove("GOFLAGS");
        // The compiler then collects its garbage less often, which is a fifth of its time otherwise.
        command.env("GOGC", "400");
        command
    }
}

/// Runs Go, calling `look` several times a second and after every line.
fn follow(mut command: Command, mut look: impl FnMut(&Written)) -> io::Result<(ExitStatus, Written)> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (sender, lines) = mpsc::channel();
    pass_on(child.stdout.take(), sender.clone());
    pass_on(child.stderr.take(), sender);
    let mut written = Written::default();
    loop {
        match lines.recv_timeout(Duration::from_millis(200)) {
            Ok(line) => written.take(&line),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        look(&written);
    }
    Ok((child.wait()?, written))
}

fn pass_on(pipe: Option<impl Read + Send + 'static>, lines: Sender<String>) {
    let Some(pipe) = pipe else { return };
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
}
