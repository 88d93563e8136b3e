//! A whole provider: notes in files. A resource makes, changes and removes them, a data source reads one that is there
//! already. README.md says how to run it with Terraform.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use terraform_plugin::schema::{Attribute, AttributeConstraint, AttributeType, Block, Schema};
use terraform_plugin::value::{Value, ValueString};
use terraform_plugin::{
    AttributePath, DataSource, Diagnostics, Program, Provider, Registry, Replacement, Report, Resource, StateUpgrade,
    WriteOnly, async_trait,
};

fn main() -> ExitCode {
    let program = Program {
        name: "terraform-provider-notes",
        version: env!("CARGO_PKG_VERSION"),
        source: "example/notes",
        purpose: "notes in files",
        repository: env!("CARGO_PKG_REPOSITORY"),
        issues: concat!(env!("CARGO_PKG_REPOSITORY"), "/issues"),
        logged: &[],
        commands: &[],
    };
    terraform_plugin::main(program, registry)
}

fn registry() -> Registry {
    let notes = Notes::default();
    Registry::new(NotesProvider(notes.clone()))
        .resource("notes_note", NoteResource(notes.clone()))
        .data_source("notes_note", NoteDataSource(notes))
}

/// Where the notes are. The provider block says so, and everything else of the provider shares it.
#[derive(Clone, Default)]
struct Notes(Arc<OnceLock<PathBuf>>);

impl Notes {
    /// The file of a note: unknown as long as its name or the directory is, which can be so in a plan.
    fn file(&self, name: &ValueString<'_>) -> ValueString<'static> {
        match (self.0.get(), name) {
            (Some(directory), Value::Value(name)) => {
                directory.join(format!("{name}.txt")).to_string_lossy().into_owned().into()
            }
            _ => Value::Unknown,
        }
    }
}

/// The text of a note. `None` is an error, `Some(None)` says that there is no such file.
fn text(diags: &mut Diagnostics, file: &ValueString<'_>) -> Option<Option<String>> {
    if file.is_unknown() {
        let detail = "The provider's directory depends on what is not applied yet. Apply that first, with -target.";
        diags.fail(AttributePath::root(), "The directory of the notes is not known", detail);
        return None;
    }
    match std::fs::read_to_string(file.as_str()) {
        Ok(text) => Some(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(None),
        Err(error) => {
            diags.fail(AttributePath::new("name"), "The note cannot be read", format!("{file}: {error}."));
            None
        }
    }
}

fn attribute(constraint: AttributeConstraint, description: &'static str) -> Attribute {
    Attribute { attr_type: AttributeType::String, constraint, description: description.into(), ..Default::default() }
}

fn schema<const N: usize>(description: &'static str, attributes: [(&'static str, Attribute); N]) -> Option<Schema> {
    let attributes = attributes.into_iter().map(|(name, attribute)| (name.to_owned(), attribute)).collect();
    Some(Schema { version: 0, block: Block { attributes, description: description.into(), ..Default::default() } })
}

/// The provider block.
struct NotesProvider(Notes);

#[derive(Serialize, Deserialize)]
struct ProviderModel<'a> {
    #[serde(borrow)]
    directory: ValueString<'a>,
}

#[async_trait]
impl Provider for NotesProvider {
    type Config<'a> = ProviderModel<'a>;
    type MetaState<'a> = ();

    fn schema(&self, _: &mut Diagnostics) -> Option<Schema> {
        let directory = "Where the notes are. By default where Terraform runs.";
        schema("Notes in files.", [("directory", attribute(AttributeConstraint::Optional, directory))])
    }

    async fn configure<'a>(&self, _: &mut Diagnostics, _: String, config: ProviderModel<'a>) -> Option<()> {
        let directory = match &config.directory {
            Value::Value(directory) => directory.as_ref(),
            Value::Null => ".",
            // In a plan. What asks for the directory has to do without.
            Value::Unknown => return Some(()),
        };
        // Terraform configures a process once.
        let _ = self.0.0.set(directory.into());
        Some(())
    }
}

/// The resource `notes_note`.
struct NoteResource(Notes);

/// A note as Terraform sees it: in configuration, plan and state alike, of the resource and of the data source.
#[derive(Clone, Serialize, Deserialize)]
struct NoteModel<'a> {
    #[serde(borrow)]
    name: ValueString<'a>,
    #[serde(borrow)]
    text: ValueString<'a>,
    #[serde(borrow)]
    file: ValueString<'a>,
}

impl NoteModel<'_> {
    /// Names are files, so a name must not lead to another directory.
    fn validate(&self, diags: &mut Diagnostics) {
        if self.name.is_value() && (self.name.is_empty() || self.name.as_str().contains(['/', '\\', '\0'])) {
            let detail = format!("{:?} cannot. Give a name that is not empty and has no slashes.", self.name.as_str());
            diags.fail(AttributePath::new("name"), "The name has to name a file", detail);
        }
    }
}

impl NoteModel<'_> {
    /// Writes the text, and says what holds then.
    fn write(self, diags: &mut Diagnostics, options: &mut OpenOptions) -> Option<(Self, ())> {
        let written = options.write(true).open(self.file.as_str());
        if let Err(error) = written.and_then(|mut file| file.write_all(self.text.as_bytes())) {
            // The summary says what is wrong. The detail says why, and what to do.
            let advice = match error.kind() {
                io::ErrorKind::AlreadyExists => "Take it over with terraform import, or choose another name.",
                _ => "Make sure that the directory exists and that you may write there.",
            };
            let detail = format!("{}: {error}. {advice}", self.file);
            diags.fail(AttributePath::new("name"), "The note cannot be written", detail);
            return None;
        }
        Some((self, ()))
    }
}

#[async_trait]
impl Resource for NoteResource {
    type State<'a> = NoteModel<'a>;
    type PrivateState<'a> = ();
    type ProviderMetaState<'a> = ();

    fn schema(&self, _: &mut Diagnostics) -> Option<Schema> {
        use AttributeConstraint::{Computed, Required};
        let attributes = [
            ("name", attribute(Required, "The note's name. A change makes a new note and removes this one.")),
            ("text", attribute(Required, "What the note says.")),
            ("file", attribute(Computed, "The file that holds the note.")),
        ];
        schema("A note.", attributes)
    }

    /// Knows the configuration alone, in which anything may be unknown.
    async fn validate<'a>(&self, diags: &mut Diagnostics, config: NoteModel<'a>) -> Option<()> {
        config.validate(diags);
        Some(())
    }

    /// Without a result and without an error the note is gone, and Terraform plans it anew.
    async fn read<'a>(
        &self,
        diags: &mut Diagnostics,
        state: NoteModel<'a>,
        (): (),
        (): (),
    ) -> Option<(NoteModel<'a>, ())> {
        let text = text(diags, &state.file)??;
        Some((NoteModel { text: text.into(), ..state }, ()))
    }

    async fn plan_create<'a>(
        &self,
        _: &mut Diagnostics,
        proposed: NoteModel<'a>,
        _: NoteModel<'a>,
        (): (),
    ) -> Option<(NoteModel<'a>, ())> {
        Some((NoteModel { file: self.0.file(&proposed.name), ..proposed }, ()))
    }

    /// The last part of the answer names the attributes that make Terraform replace the note.
    async fn plan_update<'a>(
        &self,
        _: &mut Diagnostics,
        prior: NoteModel<'a>,
        proposed: NoteModel<'a>,
        _: NoteModel<'a>,
        (): (),
        (): (),
    ) -> Option<(NoteModel<'a>, (), Vec<AttributePath>)> {
        let file = self.0.file(&proposed.name);
        let replace = if file == prior.file { vec![] } else { vec![AttributePath::new("file")] };
        Some((NoteModel { file, ..proposed }, (), replace))
    }

    async fn plan_destroy<'a>(&self, _: &mut Diagnostics, _: NoteModel<'a>, (): (), (): ()) -> Option<()> {
        Some(())
    }

    /// Takes nothing that is there already: that would be somebody else's.
    async fn create<'a>(
        &self,
        diags: &mut Diagnostics,
        planned: NoteModel<'a>,
        _: NoteModel<'a>,
        (): (),
        (): (),
    ) -> Option<(NoteModel<'a>, ())> {
        let file = self.0.file(&planned.name);
        NoteModel { file, ..planned }.write(diags, OpenOptions::new().create_new(true))
    }

    async fn update<'a>(
        &self,
        diags: &mut Diagnostics,
        _: NoteModel<'a>,
        planned: NoteModel<'a>,
        _: NoteModel<'a>,
        (): (),
        (): (),
    ) -> Option<(NoteModel<'a>, ())> {
        planned.write(diags, OpenOptions::new().create(true).truncate(true))
    }

    async fn destroy<'a>(&self, diags: &mut Diagnostics, prior: NoteModel<'a>, (): (), (): ()) -> Option<()> {
        match std::fs::remove_file(prior.file.as_str()) {
            // What is gone already is what was wanted.
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let detail = format!("{}: {error}.", prior.file);
                diags.fail(AttributePath::new("name"), "The note cannot be removed", detail);
                None
            }
            _ => Some(()),
        }
    }

    /// Takes over the note of that name.
    async fn import<'a>(&self, diags: &mut Diagnostics, id: String) -> Option<(NoteModel<'a>, ())> {
        let name = ValueString::from(id);
        Some((existing(diags, &self.0, NoteModel { name, text: Value::Null, file: Value::Null })?, ()))
    }
}

/// The whole of a note that has to be there.
fn existing<'a>(diags: &mut Diagnostics, notes: &Notes, wanted: NoteModel<'a>) -> Option<NoteModel<'a>> {
    wanted.validate(diags);
    if !diags.errors.is_empty() {
        return None;
    }
    let file = notes.file(&wanted.name);
    let Some(text) = text(diags, &file)? else {
        diags.fail(AttributePath::new("name"), "There is no such note", format!("{file} is not there."));
        return None;
    };
    Some(NoteModel { text: text.into(), file, ..wanted })
}

// What this resource has no need of: another plan for a replacement, older schemas, attributes that are kept nowhere.
impl Replacement for NoteResource {}
impl StateUpgrade for NoteResource {}
impl WriteOnly for NoteResource {}

/// The data source `notes_note`.
struct NoteDataSource(Notes);

#[async_trait]
impl DataSource for NoteDataSource {
    type State<'a> = NoteModel<'a>;
    type ProviderMetaState<'a> = ();

    fn schema(&self, _: &mut Diagnostics) -> Option<Schema> {
        use AttributeConstraint::{Computed, Required};
        let attributes = [
            ("name", attribute(Required, "The note's name.")),
            ("text", attribute(Computed, "What the note says.")),
            ("file", attribute(Computed, "The file that holds the note.")),
        ];
        schema("A note that is there already.", attributes)
    }

    async fn validate<'a>(&self, diags: &mut Diagnostics, config: NoteModel<'a>) -> Option<()> {
        config.validate(diags);
        Some(())
    }

    async fn read<'a>(&self, diags: &mut Diagnostics, config: NoteModel<'a>, (): ()) -> Option<NoteModel<'a>> {
        existing(diags, &self.0, config)
    }
}
