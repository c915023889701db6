//! `bimpe kb`

use std::fs;
use std::io;
use std::path::Path;

use bimpeai::Client;
use bimpeai::provision::{AgentSpec, KnowledgeSpec};
use clap::{Args, Subcommand};

use crate::agents::as_json;
use crate::output::{self, Output, confirm};
use crate::support::{Failure, Result, note, print};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List what an agent knows
    List { agent_id: String },
    /// Add files, folders, web pages or standard input, or update what was added from them
    Add(Add),
    /// Remove knowledge bases
    Rm {
        agent_id: String,
        #[arg(required = true)]
        kb_id: Vec<String>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Args)]
pub(crate) struct Add {
    agent_id: String,
    /// Text files, folders of them, URLs, or - for standard input
    #[arg(required = true)]
    source: Vec<String>,
    /// Name (default: the file name without its extension, or the URL)
    #[arg(long)]
    name: Option<String>,
    /// What it is about
    #[arg(long)]
    description: Option<String>,
}

pub(crate) fn run(command: Command, client: &Client, out: Output) -> Result<()> {
    match command {
        Command::List { agent_id } => {
            let items = client.agents().knowledge_bases().list(agent_id).send()?;
            out.list(&items, ["ID", "NAME", "TYPE", "CONTENT"], |it| {
                let content = it.url.as_deref().or(it.content.as_deref());
                let first_line = content.and_then(|text| text.lines().next());
                [
                    it.id.clone(),
                    it.name.clone(),
                    it.r#type.to_string(),
                    first_line.unwrap_or_default().to_owned(),
                ]
            })
        }
        Command::Add(add) => self::add(client, add, out),
        Command::Rm {
            agent_id,
            kb_id,
            yes,
        } => remove(client, &agent_id, &kb_id, yes),
    }
}

/// Adds knowledge bases by specification: long texts are split, and a second run updates them.
fn add(client: &Client, add: Add, out: Output) -> Result<()> {
    let mut found = Vec::new();
    for source in &add.source {
        if source == "-" {
            let name = add.name.as_ref().ok_or_else(|| {
                Failure::Usage("standard input has no name: add --name NAME".to_owned())
            })?;
            found.push(KnowledgeSpec::text(name, output::input()?));
        } else if is_url(source) {
            found.push(KnowledgeSpec::page(source, source));
        } else {
            read(Path::new(source), None, &mut found)?;
        }
    }
    match (&add.name, &mut found[..]) {
        (Some(name), [only]) => only.name.clone_from(name),
        (Some(_), _) => {
            let why = "--name is for one text or page; several are named after their files";
            return Err(Failure::Usage(why.to_owned()));
        }
        (None, _) => {}
    }
    for spec in &mut found {
        spec.description.clone_from(&add.description);
    }
    // Specifications find an agent by its name.
    let agent = client.agents().retrieve(&add.agent_id).send()?;
    let spec = AgentSpec::new(agent.name).knowledge_bases(found);
    let mut request = client.agents().apply(&spec);
    if !out.json {
        request = request.on_change(|change| drop(print(change)));
    }
    let changes = request.send()?.changes;
    if out.json {
        return output::json(&changes.iter().map(as_json).collect::<Vec<_>>());
    }
    if changes.is_empty() {
        note("nothing to change");
    }
    Ok(())
}

fn is_url(source: &str) -> bool {
    let scheme = source.split_once("://").map(|it| it.0);
    scheme.is_some_and(|it| it.eq_ignore_ascii_case("https") || it.eq_ignore_ascii_case("http"))
}

/// Reads a text file, or those of a folder and its folders, in the order of their names.
fn read(path: &Path, folder: Option<&str>, found: &mut Vec<KnowledgeSpec>) -> Result<()> {
    let is_in_folder = folder.is_some();
    let folder = folder.unwrap_or_default();
    let cannot = |error| Failure::Other(format!("cannot read {path:?}: {error}"));
    if path.is_dir() {
        let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = entries.map_err(cannot)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_link = entry.file_type().is_ok_and(|it| it.is_symlink());
            if name.starts_with('.') || is_link {
                continue;
            }
            match entry.path().is_dir() {
                true => read(&entry.path(), Some(&format!("{folder}{name}/")), found)?,
                false => read(&entry.path(), Some(folder), found)?,
            }
        }
        return Ok(());
    }
    let text = match fs::read_to_string(path) {
        // An image between the texts of a folder.
        Err(error) if is_in_folder && error.kind() == io::ErrorKind::InvalidData => {
            note(format_args!("skipped {path:?}: it is not text"));
            return Ok(());
        }
        text => text.map_err(cannot)?,
    };
    if text.trim().is_empty() {
        note(format_args!("skipped {path:?}: it is empty"));
        return Ok(());
    }
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    found.push(KnowledgeSpec::text(format!("{folder}{name}"), text));
    Ok(())
}

fn remove(client: &Client, agent_id: &str, ids: &[String], yes: bool) -> Result<()> {
    let knowledge_bases = client.agents().knowledge_bases();
    let items = knowledge_bases.list(agent_id).send()?;
    for id in ids {
        let item = items.iter().find(|item| item.id == *id);
        let name = item.map(|item| item.name.as_str()).ok_or_else(|| {
            Failure::Other(format!(
                "agent {agent_id} has no knowledge base {id:?}: see bimpe kb list {agent_id}"
            ))
        })?;
        confirm(
            client,
            &format!("Delete knowledge base {name:?} ({id})?"),
            yes,
        )?;
        knowledge_bases.delete(agent_id, id).send()?;
        note(format_args!("deleted knowledge base {name:?} ({id})"));
    }
    Ok(())
}
