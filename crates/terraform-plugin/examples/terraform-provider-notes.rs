//! A whole provider: `notes_note` keeps a text in a file. README.md says how to run it with Terraform.

use std::borrow::Cow;
use std::path::Path;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use terraform_plugin::schema::{Attribute, AttributeConstraint, AttributeType, Block, Schema};
use terraform_plugin::value::{Value, ValueString};
use terraform_plugin::{
    AttributePath, Diagnostics, Program, Provider, Registry, Replacement, Report, Resource, StateUpgrade, WriteOnly,
    async_trait,
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
    terraform_plugin::main(program, || Registry::new(Notes).resource("notes_note", Note))
}

fn attribute(constraint: AttributeConstraint, description: &'static str) -> Attribute {
    Attribute { attr_type: AttributeType::String, constraint, description: description.into(), ..Default::default() }
}

/// The provider block, which has no attributes.
struct Notes;

#[derive(Serialize, Deserialize)]
struct NotesModel {}

#[async_trait]
impl Provider for Notes {
    type Config<'a> = NotesModel;
    type MetaState<'a> = ();

    fn schema(&self, _: &mut Diagnostics) -> Option<Schema> {
        let block = Block { description: "Notes in files.".into(), ..Default::default() };
        Some(Schema { version: 0, block })
    }

    async fn configure<'a>(&self, _: &mut Diagnostics, _: String, _: NotesModel) -> Option<()> {
        Some(())
    }
}

/// The resource `notes_note`.
struct Note;

/// Its attributes, in configuration, plan and state alike.
#[derive(Clone, Serialize, Deserialize)]
struct NoteModel<'a> {
    #[serde(borrow)]
    id: ValueString<'a>,
    #[serde(borrow)]
    path: ValueString<'a>,
    #[serde(borrow)]
    text: ValueString<'a>,
}

impl<'a> NoteModel<'a> {
    /// Puts the text into the file; the state that is true then.
    fn write(self, diags: &mut Diagnostics) -> Option<(Self, ())> {
        if let Err(error) = std::fs::write(Path::new(self.path.as_str()), self.text.as_str()) {
            let detail = format!("{}: {error}. Name a file in a directory that exists.", self.path.as_str());
            diags.fail(AttributePath::new("path"), "The note cannot be written", detail);
            return None;
        }
        Some((Self { id: self.path.clone(), ..self }, ()))
    }
}

#[async_trait]
impl Resource for Note {
    type State<'a> = NoteModel<'a>;
    type PrivateState<'a> = ();
    type ProviderMetaState<'a> = ();

    fn schema(&self, _: &mut Diagnostics) -> Option<Schema> {
        let attributes = [
            ("id", attribute(AttributeConstraint::Computed, "The path.")),
            ("path", attribute(AttributeConstraint::Required, "The file. A change replaces the note.")),
            ("text", attribute(AttributeConstraint::Required, "What the file says.")),
        ];
        let attributes = attributes.into_iter().map(|(name, attribute)| (name.to_owned(), attribute)).collect();
        Some(Schema { version: 0, block: Block { attributes, description: "A note.".into(), ..Default::default() } })
    }

    async fn read<'a>(
        &self,
        diags: &mut Diagnostics,
        state: NoteModel<'a>,
        (): (),
        (): (),
    ) -> Option<(NoteModel<'a>, ())> {
        match std::fs::read_to_string(state.path.as_str()) {
            Ok(text) => Some((NoteModel { text: Value::Value(Cow::Owned(text)), ..state }, ())),
            // Terraform plans a note that is gone anew.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                let detail = format!("{}: {error}.", state.path.as_str());
                diags.fail(AttributePath::new("path"), "The note cannot be read", detail);
                None
            }
        }
    }

    async fn plan_create<'a>(
        &self,
        _: &mut Diagnostics,
        proposed: NoteModel<'a>,
        _: NoteModel<'a>,
        (): (),
    ) -> Option<(NoteModel<'a>, ())> {
        Some((NoteModel { id: proposed.path.clone(), ..proposed }, ()))
    }

    async fn plan_update<'a>(
        &self,
        _: &mut Diagnostics,
        prior: NoteModel<'a>,
        proposed: NoteModel<'a>,
        _: NoteModel<'a>,
        (): (),
        (): (),
    ) -> Option<(NoteModel<'a>, (), Vec<AttributePath>)> {
        let moved = prior.path != proposed.path;
        let replace = moved.then(|| AttributePath::new("path")).into_iter().collect();
        Some((NoteModel { id: proposed.path.clone(), ..proposed }, (), replace))
    }

    async fn plan_destroy<'a>(&self, _: &mut Diagnostics, _: NoteModel<'a>, (): (), (): ()) -> Option<()> {
        Some(())
    }

    async fn create<'a>(
        &self,
        diags: &mut Diagnostics,
        planned: NoteModel<'a>,
        _: NoteModel<'a>,
        (): (),
        (): (),
    ) -> Option<(NoteModel<'a>, ())> {
        planned.write(diags)
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
        planned.write(diags)
    }

    async fn destroy<'a>(&self, diags: &mut Diagnostics, prior: NoteModel<'a>, (): (), (): ()) -> Option<()> {
        match std::fs::remove_file(prior.path.as_str()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                diags.fail(AttributePath::new("path"), "The note cannot be deleted", error.to_string());
                None
            }
            _ => Some(()),
        }
    }

    async fn import<'a>(&self, diags: &mut Diagnostics, id: String) -> Option<(NoteModel<'a>, ())> {
        let state = NoteModel { id: id.clone().into(), path: id.clone().into(), text: Value::Null };
        match self.read(diags, state, (), ()).await {
            None if diags.errors.is_empty() => {
                diags.fail(AttributePath::root(), "There is no such note", format!("{id} is not there."));
                None
            }
            read => read,
        }
    }
}

impl Replacement for Note {}

impl StateUpgrade for Note {}

impl WriteOnly for Note {}
