"""The public surface of the installed `bimpeai`, as Python itself sees it.

    introspect.py tests/data/python_surface.json           # is the file true for this release?
    introspect.py tests/data/python_surface.json --write   # make it so

The file holds one entry for each release that this crate is held to.
"""

import importlib
import inspect
import json
import pathlib
import pkgutil
import sys
import types
import typing

import pydantic
import typing_extensions

import bimpeai


def shown(hint):
    """A type as a text that is the same under every version of Python."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is None or hint is type(None):
        return "None"
    if hint is typing.Any:
        return "Any"
    if origin in (typing_extensions.NotRequired, typing_extensions.Required):
        return shown(args[0])
    if origin is typing.Literal:
        return "Literal[" + ", ".join(repr(value) for value in args) + "]"
    if origin in (typing.Union, types.UnionType):
        return " | ".join(shown(arg) for arg in args)
    if origin is not None:
        name = getattr(origin, "__name__", str(origin))
        return f"{name}[{', '.join(shown(arg) for arg in args)}]"
    if isinstance(hint, typing.ForwardRef):
        return hint.__forward_arg__
    return getattr(hint, "__name__", str(hint))


def parameters(function):
    """The parameters of a function, and the type of what `**body` takes."""
    # Return types may be forward references that only pydantic resolves; texts are enough here.
    out, body = {}, None
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "self":
            continue
        annotation = str(parameter.annotation)
        if parameter.kind is parameter.VAR_KEYWORD:
            body = annotation.removeprefix("Unpack[").removesuffix("]")
            continue
        out[name] = {
            "type": annotation,
            "keyword": parameter.kind is parameter.KEYWORD_ONLY,
            "required": parameter.default is parameter.empty,
        }
    return out, body


def public(owner):
    return {name: value for name, value in vars(owner).items() if not name.startswith("_")}


def methods(resource, path):
    """The operations below a resource, by the path that a caller writes."""
    out = {}
    for name, function in public(type(resource)).items():
        taken, body = parameters(function)
        out[f"{path}.{name}"] = {
            "parameters": taken,
            "body": body,
            "returns": str(inspect.signature(function).return_annotation),
        }
    for name, child in public(resource).items():
        out |= methods(child, f"{path}.{name}")
    return out


def client_methods(client):
    out = {}
    for name, resource in public(client).items():
        out |= methods(resource, f"client.{name}")
    return out


def model(cls):
    return {
        name: {"type": shown(field.annotation), "required": field.is_required()}
        for name, field in cls.model_fields.items()
    }


def typed_dict(cls):
    hints = typing_extensions.get_type_hints(cls)
    required = {
        name
        for name, hint in typing_extensions.get_type_hints(cls, include_extras=True).items()
        if typing.get_origin(hint) is not typing_extensions.NotRequired and cls.__total__
    }
    return {
        name: {"type": shown(hint), "required": name in required} for name, hint in hints.items()
    }


def declared_types():
    """What the modules below `bimpeai.types` declare; not what they import."""
    out = {"models": {}, "bodies": {}, "enums": {}, "aliases": {}}
    for info in pkgutil.iter_modules(bimpeai.types.__path__):
        module = importlib.import_module(f"bimpeai.types.{info.name}")
        for name, value in public(module).items():
            if typing_extensions.is_typeddict(value):
                if value.__module__ == module.__name__:
                    out["bodies"][name] = typed_dict(value)
            elif isinstance(value, type) and issubclass(value, pydantic.BaseModel):
                if value.__module__ != module.__name__:
                    continue
                if value.__name__ == name:
                    out["models"][name] = model(value)
                else:
                    out["aliases"][name] = value.__name__
            elif typing.get_origin(value) is typing.Literal:
                out["enums"][name] = list(typing.get_args(value))
            elif isinstance(value, types.UnionType):
                out["aliases"][name] = shown(value)
    return out


def exceptions():
    out = {}
    for name in bimpeai.__all__:
        value = getattr(bimpeai, name)
        if isinstance(value, type) and issubclass(value, BaseException):
            init = parameters(value.__init__)[0] if "__init__" in vars(value) else {}
            out[name] = {"base": value.__bases__[0].__name__, "attributes": sorted(init)}
    return out


def members(cls):
    """What a value of a class has: its methods, properties and annotated or assigned fields."""
    names = set(public(cls)) | set(getattr(cls, "__annotations__", {}))
    names |= {name for name in parameters(cls.__init__)[0] if name != "fetcher"}
    return sorted(name for name in names if not name.startswith(("model_", "__")))


def surface():
    sync = client_methods(bimpeai.BimpeAI(api_key="sk"))
    with_await = client_methods(bimpeai.AsyncBimpeAI(api_key="sk"))
    assert list(sync) == list(with_await), "the two clients have the same operations"
    for name, method in sync.items():
        assert method["parameters"] == with_await[name]["parameters"], name
        assert method["body"] == with_await[name]["body"], name
    return {
        "exports": sorted(bimpeai.__all__),
        "client": sorted(parameters(bimpeai.BimpeAI.__init__)[0]),
        "methods": sync,
        **declared_types(),
        "exceptions": exceptions(),
        "error_codes": list(typing.get_args(bimpeai.ErrorCode)),
        "members": {
            "Page": members(bimpeai.Page),
            "ApiResponse": members(bimpeai.ApiResponse),
            "PaginationMeta": sorted(bimpeai.PaginationMeta.model_fields),
        },
    }


def written(surfaces):
    """JSON with one line for each method and type, so that a change can be read."""
    lines = ["{"]
    for release, entry in sorted(surfaces.items()):
        lines.append(f" {json.dumps(release)}: {{")
        for part, value in sorted(entry.items()):
            if isinstance(value, dict):
                rows = [f"   {json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(value.items())]
                lines.append(f"  {json.dumps(part)}: {{\n" + ",\n".join(rows) + "\n  },")
            else:
                lines.append(f"  {json.dumps(part)}: {json.dumps(value)},")
        lines[-1] = lines[-1].removesuffix(",")
        lines.append(" },")
    lines[-1] = lines[-1].removesuffix(",")
    return "\n".join([*lines, "}", ""])


def main(path, *options):
    file = pathlib.Path(path)
    known = json.loads(file.read_text()) if file.exists() else {}
    now = surface()
    release = bimpeai.__version__
    # Through JSON, so that the two are compared as the file has them.
    if known.get(release) == json.loads(json.dumps(now)):
        count = len(now["methods"])
        print(f"surface: bimpeai {release} has the {count} operations that {path} says")
        return 0
    if "--write" in options:
        file.write_text(written({**known, release: now}))
        return 0
    print(f"{path} is not what bimpeai {release} has; write it anew with --write", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
