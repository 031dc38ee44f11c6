#!/usr/bin/python3
"""The schema in configs/ against a validator that is not ours: it accepts every shipped and every good configuration, and
refuses every bad one but those whose mistake a schema cannot see."""
import os
import re
import sys
from pathlib import Path

try:
    import jsonschema
    import yaml
except ImportError as missing:
    print(f"skipped: {missing}; apt install python3-jsonschema python3-yaml")
    sys.exit(77)

SOURCE = Path(os.environ.get("RUNNER_SOURCE", Path(__file__).resolve().parents[2]))
CORPUS = SOURCE / "tests/config"

# Mistakes between two settings, between files, in arguments, in conditions' words, or in what is missing; and those that
# PyYAML or JSON's view of numbers let pass: keys given twice, tags, NUL characters, 4e1 as a whole number, NaN in a range.
UNSEEN = set("""
absent_include bad_checksum condition_below condition_single_equals condition_text_for_number
condition_unclosed condition_unknown_choice condition_unknown_setting duplicate_dotted_key duplicate_key empty_file erasing_scale_backwards
add_of_input_and_inputs groups_do_not_divide input_from_below input_misspelt same_with_stride
every_layer_left_out exclude_everything exponent_for_integer nan_lr nul_character tag exclude_unknown gamma_with_cosine include_a_folder include_circle
include_itself layer_name_twice missing_data_file missing_data_files_in_a_sweep missing_everything missing_optimizer_name missing_step_size
mistake_in_an_include model_without_layers momentum_with_adam monitor_without_validation nesterov_without_momentum no_shape
override_bad_in_list override_bad_value override_bad_yaml override_unknown override_without_equals parameter_out_of_range
parameter_of_wrong_type pool_padding range_backwards range_without_step replaced_by_every_run run_file_absent split_seed_without_validation
sweep_too_large sweep_twice two_generators unknown_dataset unknown_dataset_far unknown_reference unused_parameter
warmup_too_long zip_of_two_lengths
freeze_unknown freeze_without_weights initial_except_alone initial_sha256_short
condition_of_a_later_draw distribution_and_values distribution_in_zip halving_of_nothing halving_of_two_lengths halving_without_validation
samples_missing samples_of_nothing samples_overridden_by_a_list uniform_backwards uniform_for_integer
""".split())


class CoreLoader(yaml.SafeLoader):
    """PyYAML with the scalars of YAML 1.2's core schema; its own are those of 1.1, where 1e-3 is a text and yes is true."""


CoreLoader.yaml_implicit_resolvers = {}
CoreLoader.yaml_constructors = dict(yaml.SafeLoader.yaml_constructors)
for tag, expression, first in [
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
     list("-+.0123456789")),
]:
    CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"^(?:{expression})$"), first)
CoreLoader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(
    loader.construct_scalar(node), 8 if node.value.startswith("0o") else 16 if node.value.startswith("0x") else 10))
CoreLoader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(
    re.sub(r"^([-+]?)\.(inf|nan)$", r"\1\2", loader.construct_scalar(node).lower())))


def mistake(validator, path):
    """What is wrong with the file, or None."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), CoreLoader)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        return str(error)
    best = jsonschema.exceptions.best_match(validator.iter_errors({} if document is None else document))
    return best.message if best else None


def main():
    import json
    schema = json.loads((SOURCE / "configs/schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    shipped = sorted((SOURCE / "configs").rglob("*.yaml")) + sorted((SOURCE / "experiments").rglob("*.yaml"))
    failures = []
    for path in shipped + sorted((CORPUS / "good").glob("*.yaml")):
        found = mistake(validator, path)
        if found:
            failures.append(f"{path.relative_to(SOURCE)}: refused: {found}")
    for path in sorted((SOURCE / "configs").rglob("*.yaml")):
        first = path.read_text().splitlines()[0]
        marked = re.fullmatch(r"# yaml-language-server: \$schema=(.+)", first)
        if not marked or (path.parent / marked.group(1)).resolve() != SOURCE / "configs/schema.json":
            failures.append(f"{path.relative_to(SOURCE)}: its first line does not name configs/schema.json for editors")
    refused = 0
    for path in sorted((CORPUS / "bad").glob("*.yaml")):
        found = mistake(validator, path)
        refused += found is not None
        if (found is None) != (path.stem in UNSEEN):
            failures.append(f"{path.relative_to(SOURCE)}: {'accepted' if found is None else 'refused: ' + found}")
    print("\n".join(failures))
    print(f"{len(shipped)} shipped, {len(list((CORPUS / 'good').glob('*.yaml')))} good accepted; {refused} bad refused; "
          f"{len(failures)} surprises")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
