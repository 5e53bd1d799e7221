"""From a workload file's model entry to a graph: what is allowed, and one clear error for what is not."""

import sys
import textwrap
from pathlib import Path

import pytest
import torch
from torch import nn

from mensa_sim.errors import FileError, TraceError, UnknownNameError, UsageError
from mensa_sim.workload.importers.torch import model as build_model
from mensa_sim.workload.load import load_workload, workload_files

HELPED = """
    from torch import linalg, nn
    from {helper} import WIDTH

    class Net(nn.Module):
        def __init__(self, outputs: int = 4) -> None:
            super().__init__()
            self.layer = nn.Linear(WIDTH, outputs)

        def forward(self, x):
            return self.layer(x)

    def no_module() -> int:
        return 3

    def broken() -> nn.Module:
        raise RuntimeError("no such luck")

    NUMBER = 3

    class Branching(Net):
        def forward(self, x):
            return self.layer(x) if x.sum() > 0 else x

    class Packing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.LSTM(8, 8)

        def forward(self, x):
            return self.rnn(nn.utils.rnn.pack_padded_sequence(x, x.new_ones(8).long()))[0].data

    class Spectrum(Net):
        def forward(self, x):
            return linalg.matrix_exp(self.layer(x)[:, :, None] * x[:, None, :4]).abs()
"""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MENSA_SIM_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a user's model and the helper that it imports; names of its own, as modules stay loaded."""
    helper = f"helper_{abs(hash(tmp_path)):x}"
    (tmp_path / f"{helper}.py").write_text("WIDTH = 8\n")
    (tmp_path / "net.py").write_text(textwrap.dedent(HELPED.format(helper=helper)))
    return tmp_path


def write(folder: Path, model: str, *, inputs: str = "[{shape: [1, 8]}]", arguments: str = "{}") -> Path:
    path = folder / "w.yaml"
    path.write_text(f"name: w\nmodel: {model}\narguments: {arguments}\ninputs: {inputs}\n")
    return path


def test_a_shipped_workload_loads_by_its_bare_name() -> None:
    graph = load_workload("small_cnn")
    assert graph.name == "small_cnn"
    assert graph.macs > 0


def test_a_callable_in_a_file_beside_the_workload_needs_permission(folder: Path) -> None:
    path = write(folder, "net.py:Net", arguments="{outputs: 3}")
    with pytest.raises(UsageError, match=r"w.yaml: model: net.py:Net can run code.*--allow-code"):
        load_workload(path)
    graph = load_workload(path, allow_code=True)
    assert graph.macs == 8 * 3
    assert graph.parameter_bytes == 8 * 3 + 3
    with pytest.raises(UsageError, match="--allow-code"):
        load_workload(path)


def test_a_changed_helper_is_noticed_by_the_cache(folder: Path) -> None:
    path = write(folder, "net.py:Net")
    assert load_workload(path, allow_code=True).macs == 32
    (helper,) = folder.glob("helper_*.py")
    helper.write_text("WIDTH = 8 + 0\n")
    text = (folder / "net.py").read_text()
    assert load_workload(path, allow_code=True).macs == 32
    (folder / "net.py").write_text(text.replace("outputs)", "outputs * 2)"))
    assert load_workload(path, allow_code=True).macs == 64


def test_a_module_beside_the_workload_is_found_and_the_search_path_is_left_as_it_was(folder: Path) -> None:
    name = f"module_{abs(hash(folder)):x}"
    (folder / "net.py").rename(folder / f"{name}.py")
    before = list(sys.path)
    assert load_workload(write(folder, f"{name}:Net"), allow_code=True).macs == 32
    assert sys.path == before


@pytest.mark.parametrize(
    ("model", "arguments", "beside"),
    [
        ("mensa_sim.workload.models.small_cnn:SmallCNN", "{}", False),
        ("torch.nn:Conv2d", "{in_channels: 3, out_channels: 4, kernel_size: 1}", True),
    ],
)
def test_a_shipped_model_never_imports_what_lies_beside_the_workload(
    folder: Path, monkeypatch: pytest.MonkeyPatch, model: str, arguments: str, beside: bool
) -> None:
    seen: list[str] = []

    def trace(*_: object, **__: object) -> None:
        seen.extend(sys.path)
        raise TraceError("seen")

    monkeypatch.setattr(build_model, "trace", trace)
    path = write(folder, model, inputs="[{shape: [1, 3, 32, 32]}]", arguments=arguments)
    with pytest.raises(TraceError, match="seen"):
        load_workload(path, allow_code=True)
    assert (str(folder.resolve()) in seen) == beside


def test_an_installed_model_is_found(folder: Path) -> None:
    path = write(folder, "torch.nn:Linear", arguments="{in_features: 8, out_features: 2}")
    assert load_workload(path, allow_code=True).macs == 16


def test_an_exported_program_needs_permission_and_gives_the_same_graph(folder: Path) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 5)).eval()
    program = torch.export.export(network, (torch.zeros(1, 3, 8, 8),))
    torch.export.save(program, folder / "net.pt2")
    path = folder / "w.yaml"
    path.write_text("name: w\nmodel: net.pt2\n")
    with pytest.raises(UsageError, match="--allow-code"):
        load_workload(path)
    graph = load_workload(path, allow_code=True)
    assert graph.macs == 4 * 27 * 36 + 144 * 5
    assert graph.parameter_bytes == 4 * 27 + 4 + 144 * 5 + 5
    assert graph.coverage.unsupported == 0
    assert load_workload(folder / "net.pt2", allow_code=True).layers == graph.layers


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("net.py:Nett", "unknown callable in net.py 'Nett'; did you mean 'Net'"),
        ("net.py:NUMBER", "NUMBER in net.py cannot be called"),
        ("net.py:no_module", "gives a int, not a torch.nn.Module"),
        ("net.py:broken", "building net.py:broken failed: RuntimeError: no such luck"),
        ("absent.py:Net", "absent.py: no such file"),
        ("no_such_package.net:Net", "there is no module no_such_package"),
        ("torch.no_such_module:Net", "there is no module torch.no_such_module"),
        ("mensa_sim.workload.models.no_such_model:Net", "there is no module"),
        ("mensa_sim.workload.models.recurrent:nn", "unknown callable"),
        ("mensa_sim.workload.models.recurrent:StackedLSTN", "did you mean 'StackedLSTM'"),
        ("absent.onnx", "absent.onnx: no such file"),
    ],
)
def test_a_model_that_is_not_there_is_one_clear_error(folder: Path, model: str, message: str) -> None:
    path = write(folder, model)
    if model.endswith(".onnx"):
        path.write_text(f"name: w\nmodel: {model}\n")
    with pytest.raises(UsageError) as caught:
        load_workload(path, allow_code=True)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_wrong_arguments_are_all_listed(folder: Path) -> None:
    path = write(folder, "torch.nn:Linear", arguments="{in_feature: 8, biass: true}")
    with pytest.raises(FileError) as caught:
        load_workload(path, allow_code=True)
    assert len(caught.value.faults) == 4
    assert "arguments.in_feature: unknown argument 'in_feature'; did you mean 'in_features'" in caught.value.faults[0]
    assert "arguments.out_features: is required" in caught.value.faults[3]


def test_a_wrong_input_shape_says_what_the_model_said(folder: Path) -> None:
    path = write(folder, "net.py:Net", inputs="[{shape: [1, 7]}]")
    with pytest.raises(TraceError, match=r"w.yaml: inputs: the model fails on \[1, 7\]: RuntimeError"):
        load_workload(path, allow_code=True)


def test_a_module_that_cannot_be_imported_says_why(folder: Path) -> None:
    (folder / "net.py").write_text("import no_such_dependency\n")
    with pytest.raises(FileError, match="imports no_such_dependency, which is not installed"):
        load_workload(write(folder, "net.py:Net"), allow_code=True)
    (folder / "net.py").write_text("1 +\n")
    with pytest.raises(FileError, match=r"importing net.py failed: SyntaxError"):
        load_workload(write(folder, "net.py:Net"), allow_code=True)


def test_a_file_that_is_no_exported_program_says_so(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "net.pt2").write_bytes(b"nothing")
    with pytest.raises(TraceError, match="is no exported program"):
        load_workload(folder / "net.pt2", allow_code=True)
    assert capfd.readouterr() == ("", ""), "torch logs the traceback of its reader"


@pytest.mark.parametrize(
    ("model", "shape", "message"),
    [("Branching", "[1, 8]", r"depends on the data at .*net.py"), ("Packing", "[4, 8, 8]", "packed sequences cannot")],
)
def test_what_no_trace_can_follow_is_not_blamed_on_the_inputs(
    folder: Path, model: str, shape: str, message: str
) -> None:
    path = write(folder, f"net.py:{model}", inputs=f"[{{shape: {shape}}}]")
    with pytest.raises(TraceError, match=message) as caught:
        load_workload(path, allow_code=True)
    assert "inputs: the model fails" not in str(caught.value)


def test_strict_names_every_layer_whose_operator_is_unsupported(folder: Path) -> None:
    path = write(folder, "net.py:Spectrum")
    assert load_workload(path, allow_code=True).coverage.unsupported
    with pytest.raises(TraceError, match=r"unsupported operators: \w+ \(aten\.\w*matrix_exp\.default\)"):
        load_workload(path, allow_code=True, strict=True)


def test_a_model_file_whose_name_cannot_name_a_folder_is_an_error(folder: Path) -> None:
    (folder / "a:b.onnx").write_bytes(b"")
    with pytest.raises(FileError, match="cannot name a results folder"):
        load_workload(folder / "a:b.onnx")


def test_the_files_of_a_workload_are_its_own_and_its_models(folder: Path) -> None:
    path = write(folder, "net.py:Net")
    assert workload_files(path) == (path, folder / "net.py")
    (folder / "net.onnx").touch()
    assert workload_files(folder / "net.onnx") == (folder / "net.onnx",)
    assert [file.name for file in workload_files("lstm")] == ["lstm.yaml"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("name: w", "needs either model or layers"),
        ("name: w\nmodel: a.b:c", "inputs is required"),
        ("name: w\nmodel: a.b.c\ninputs: [{shape: [1]}]", "is none of package.module:callable"),
        ("name: w\nmodel: a.onnx\narguments: {a: 1}", "arguments must be left out"),
        ("name: w\nmodel: a.pt2\narguments: {a: 1}", "arguments must be left out"),
        ("name: a/b\nmodel: a.onnx", "cannot name a results folder"),
        ("name: w\nmodel: a.onnx\nparameter_bits: 0", "must be from 1 to 64"),
        ("name: w\nmodel: a.b:c\ninputs: [{shape: [0]}]", "inputs[0]: shape [0] has a size below 1"),
        ("name: w\nmodel: a.b:c\ninputs: [{shape: [1], dtype: int4}]", "inputs[0].dtype: must be 'float32'"),
        ("name: w\nmodel: a.b:c\ninputs: [{shape: [1.0]}]", "inputs[0].shape[0]: must be a whole number"),
    ],
)
def test_a_wrong_workload_file_names_the_field(folder: Path, text: str, fault: str) -> None:
    path = folder / "w.yaml"
    path.write_text(text)
    with pytest.raises(FileError) as caught:
        load_workload(path, allow_code=True)
    assert fault in str(caught.value)


def test_an_unknown_bare_name_lists_what_ships() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'small_cnn'"):
        load_workload("smal_cnn")
