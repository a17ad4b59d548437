import subprocess
import sys

from bench import catalogue
from bench.parts.arguments import BY_ACTIVATION, RESIDUAL, SUM
from bench.parts.model.block import FORMS

INITIALIZERS = catalogue.options("initializer")


def test_a_word_in_conf_for_a_number_of_the_activation_is_known():
    found = [(name, one[name]) for one in INITIALIZERS.values() for name in BY_ACTIVATION if type(one.get(name)) is str]
    assert {name for name, _ in found} == {*BY_ACTIVATION}
    assert all(word in BY_ACTIVATION[name] for name, word in found)


def test_the_residual_key_is_an_argument_of_initializers_and_names_blocks():
    word, _, name = RESIDUAL.partition(".")
    forms = {one[name] for one in catalogue.options(word).values() if name in one}
    assert forms
    assert {*forms, SUM} <= FORMS.keys()


def test_plans_may_use_them_without_torch():
    code = "import sys, bench.parts.arguments; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
