//! The knowledge bases of an agent, each text in as many parts as it needs.

use super::apply::{Run, body};
use super::compare::{difference, fields};
use super::spec::KnowledgeSpec;
use super::text::{part_name, part_of, split};
use super::{Change, ChangeAction, ChangedResource, find_by_name, same_name};
use crate::agents::{CreateKnowledgeBase, KnowledgeBaseItem, KnowledgeBaseType};
use crate::error::Error;

impl Run {
    pub(super) fn knowledge_bases(
        &mut self,
        agent_id: Option<&str>,
        agent_existed: bool,
        specs: &[KnowledgeSpec],
    ) -> Result<(), Error> {
        let agent = agent_id.unwrap_or_default();
        let existing = match agent_existed {
            true => self.client.agents().knowledge_bases().list(agent).send()?,
            false => Vec::new(),
        };
        for spec in specs {
            let current = parts_of(&existing, spec, specs)?;
            let wanted: Vec<CreateKnowledgeBase> = bodies(spec);
            for at in 0..wanted.len().max(current.len()) {
                match (wanted.get(at), current.get(at)) {
                    (Some(wanted), Some(current)) => {
                        self.update_knowledge_base(agent, current, wanted)?;
                    }
                    (Some(wanted), None) => {
                        let change = Change::new(
                            ChangeAction::Create,
                            ChangedResource::KnowledgeBase,
                            &wanted.name,
                        );
                        self.change(change, |client| {
                            let knowledge_bases = client.agents().knowledge_bases();
                            knowledge_bases.create(agent, wanted.clone()).send()
                        })?;
                    }
                    // A text that has become shorter.
                    (None, Some(current)) => {
                        let change = Change::new(
                            ChangeAction::Delete,
                            ChangedResource::KnowledgeBase,
                            &current.name,
                        );
                        self.change(change, |client| {
                            client
                                .agents()
                                .knowledge_bases()
                                .delete(agent, &current.id)
                                .send()
                        })?;
                    }
                    (None, None) => {}
                }
            }
        }
        Ok(())
    }

    fn update_knowledge_base(
        &mut self,
        agent: &str,
        current: &KnowledgeBaseItem,
        wanted: &CreateKnowledgeBase,
    ) -> Result<(), Error> {
        let mut fields_wanted = fields(wanted);
        if same_name(&current.name, &wanted.name) {
            fields_wanted.remove("name");
        }
        let mut changed = difference(fields_wanted, &fields(current));
        if changed.is_empty() {
            return Ok(());
        }
        let change = Change::update(ChangedResource::KnowledgeBase, &wanted.name, &changed);
        self.change(change, |client| {
            let knowledge_bases = client.agents().knowledge_bases();
            // A text cannot become a page, nor a page a text.
            if changed.remove("type").is_some() {
                knowledge_bases.delete(agent, &current.id).send()?;
                return knowledge_bases.create(agent, wanted.clone()).send();
            }
            knowledge_bases
                .update(agent, &current.id, body(changed)?)
                .send()
        })?;
        Ok(())
    }
}

/// Returns the knowledge bases that a specification stands for, one for each part of its text.
fn bodies(spec: &KnowledgeSpec) -> Vec<CreateKnowledgeBase> {
    let with_description = |body: CreateKnowledgeBase| match &spec.description {
        Some(description) => body.description(description),
        None => body,
    };
    if let Some(url) = &spec.url {
        return vec![with_description(CreateKnowledgeBase::url(&spec.name, url))];
    }
    let parts = split(spec.content.as_deref().unwrap_or_default());
    let part = |(at, text): (usize, &&str)| {
        let name = part_name(&spec.name, at, parts.len());
        with_description(CreateKnowledgeBase::text(name, *text))
    };
    parts.iter().enumerate().map(part).collect()
}

/// Returns the knowledge bases that hold the parts of a specification today, in order.
fn parts_of<'a>(
    existing: &'a [KnowledgeBaseItem],
    spec: &KnowledgeSpec,
    all: &[KnowledgeSpec],
) -> Result<Vec<&'a KnowledgeBaseItem>, Error> {
    let whole = find_by_name(
        existing,
        ChangedResource::KnowledgeBase,
        &spec.name,
        |item| &item.name,
        |item| &item.id,
    )?;
    let is_named = |name: &str| all.iter().any(|spec| same_name(&spec.name, name));
    let mut parts = Vec::new();
    for item in existing {
        let part = part_of(&item.name).filter(|part| same_name(part.0, &spec.name));
        let Some((_, number, _)) = part else { continue };
        if item.r#type != KnowledgeBaseType::Text || is_named(&item.name) {
            continue;
        }
        // Two of one name are not told apart.
        find_by_name(
            existing,
            ChangedResource::KnowledgeBase,
            &item.name,
            |item| &item.name,
            |item| &item.id,
        )?;
        parts.push((number, item));
    }
    parts.sort_by_key(|part| part.0);
    Ok(whole
        .into_iter()
        .chain(parts.into_iter().map(|part| part.1))
        .collect())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_page_and_a_text_with_its_own_specification_are_not_parts_of_another() {
        let names = [
            ("Menu (3/3)", "text"),
            ("Menu (1/3)", "text"),
            ("Menu (2/3)", "url"),
            ("Other (1/2)", "text"),
        ];
        let items = names
            .iter()
            .map(|(name, kind)| json!({"id": name, "name": name, "type": kind}));
        let existing: Vec<KnowledgeBaseItem> =
            serde_json::from_value(Value::Array(items.collect())).unwrap();
        let menu = KnowledgeSpec::text("Menu", "x");
        let parts = |all: &[KnowledgeSpec]| -> Vec<String> {
            let parts = parts_of(&existing, &menu, all).unwrap();
            parts.iter().map(|item| item.name.clone()).collect()
        };
        assert_eq!(
            parts(std::slice::from_ref(&menu)),
            ["Menu (1/3)", "Menu (3/3)"]
        );
        let own = KnowledgeSpec::text("menu (1/3)", "y");
        assert_eq!(parts(&[menu.clone(), own]), ["Menu (3/3)"]);
    }
}
