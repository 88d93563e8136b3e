//! Copies of Go modules in which files of ours take the place of some of their own, so that a program comes without parts that
//! nobody here asks for. Go's own `-overlay` refuses that for modules in its cache.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

/// A module that is copied.
#[derive(Debug)]
pub(super) struct Lean {
    /// Its path, as in `go.mod`.
    pub module: &'static str,
    /// Directory of our files, under `_lean/` of the module that pins it; also what the copy is called.
    pub name: &'static str,
}

/// Copies modules that `pinned` requires into `directory`, with our files. The first is to be built, with the others in it: returns
/// its directory.
pub(super) fn copy(go: &Path, pinned: &Path, modules: &[Lean], directory: &Path) -> io::Result<PathBuf> {
    for Lean { module, name } in modules {
        let copy = directory.join(name);
        copy_tree(&downloaded(go, pinned, module)?, &copy)?;
        copy_tree(&pinned.join("_lean").join(name), &copy)?;
    }
    let [first, others @ ..] = modules else { return Err(io::Error::other("there is no module to copy")) };
    let first = directory.join(first.name);
    let manifest = first.join("go.mod");
    let replace = |Lean { module, name }: &Lean| format!("\nreplace {module} => ../{name}\n");
    let replaced: String = others.iter().map(replace).collect();
    fs::write(&manifest, fs::read_to_string(&manifest)? + &replaced)?;
    Ok(first)
}

/// Where Go keeps the module in the version that `pinned` requires, downloaded and checked against its `go.sum`.
fn downloaded(go: &Path, pinned: &Path, module: &str) -> io::Result<PathBuf> {
    let mut download = Command::new(go);
    download.arg("-C").arg(pinned).args(["mod", "download", "-json", module]).env_remove("GOFLAGS");
    let output = download.output()?;
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let directory = said["Dir"].as_str().map(PathBuf::from);
    directory.filter(|_| output.status.success()).ok_or_else(|| {
        let error = said["Error"].as_str().unwrap_or_default();
        io::Error::other(format!("go mod download {module}: {error}{}", String::from_utf8_lossy(&output.stderr)))
    })
}

/// Copies all files but those that are for tests. What is in Go's cache cannot be written to; the copy can.
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        if entry.file_type()?.is_dir() {
            if name != "testdata" {
                copy_tree(&path, &to.join(name))?;
            }
        } else {
            fs::write(to.join(name), fs::read(path)?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Says that each module is in a directory beside it, called as the last part of its path.
    const GO: &str = r#"#!/bin/sh
echo "{\"Dir\": \"$2/../kept/${6##*/}\"}"
"#;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn our_files_take_the_place_of_theirs_and_copies_refer_to_each_other() {
        let place = tempfile::tempdir().unwrap();
        let place = place.path();
        let go = place.join("go");
        write(&go, GO);
        fs::set_permissions(&go, fs::Permissions::from_mode(0o755)).unwrap();
        for (path, text) in [
            ("kept/tofu/go.mod", "module example.com/tofu\n"),
            ("kept/tofu/inner/heavy.go", "theirs"),
            ("kept/tofu/inner/light.go", "theirs"),
            ("kept/tofu/testdata/large", "theirs"),
            ("kept/getter/get.go", "theirs"),
            ("pinned/_lean/tofu/inner/heavy.go", "ours"),
            ("pinned/_lean/getter/get.go", "ours"),
        ] {
            write(&place.join(path), text);
        }
        let modules = [
            Lean { module: "example.com/tofu", name: "tofu" },
            Lean { module: "example.com/other/getter", name: "getter" },
        ];
        let source = place.join("source");
        assert_eq!(copy(&go, &place.join("pinned"), &modules, &source).unwrap(), source.join("tofu"));
        let text = |path: &str| fs::read_to_string(source.join(path)).unwrap();
        assert_eq!(text("tofu/inner/heavy.go"), "ours");
        assert_eq!(text("tofu/inner/light.go"), "theirs");
        assert_eq!(text("getter/get.go"), "ours");
        assert_eq!(text("tofu/go.mod"), "module example.com/tofu\n\nreplace example.com/other/getter => ../getter\n");
        assert!(!source.join("tofu/testdata").exists());
    }

    #[test]
    fn what_cannot_be_downloaded_is_an_error_with_gos_words() {
        let place = tempfile::tempdir().unwrap();
        let go = place.path().join("go");
        write(&go, "#!/bin/sh\necho '{\"Error\": \"checksum mismatch\"}'\nexit 1\n");
        fs::set_permissions(&go, fs::Permissions::from_mode(0o755)).unwrap();
        let modules = [Lean { module: "example.com/tofu", name: "tofu" }];
        let error = copy(&go, place.path(), &modules, &place.path().join("source")).unwrap_err().to_string();
        assert!(error.contains("example.com/tofu: checksum mismatch"), "{error}");
    }
}
