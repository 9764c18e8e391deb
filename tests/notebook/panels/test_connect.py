"""The panel that connects to a Manager, against real ones."""

import socket

import ipywidgets
import pytest

from msl_network import LocalManager, connect, cryptography
from msl_network.notebook.panels import ConnectPanel
from msl_network.notebook.panels.question import SecretField

from .pages import WAIT, enter, says, status, wait_for


@pytest.mark.parametrize("answer", ["Trust", "Reject"])
def test_an_unknown_certificate_is_shown(answer, panels, monkeypatch, tmp_path):
    pinned = tmp_path / "pinned.crt"
    monkeypatch.setattr(cryptography, "certificate_path", lambda host: str(pinned))
    monkeypatch.setattr(cryptography, "save_certificate", lambda pem, host: pinned.write_bytes(pem))
    with LocalManager() as manager:
        panel = panels(ConnectPanel, "127.0.0.1", manager.port, assert_hostname=False)
        panel.buttons["Connect"].click()
        wait_for(lambda: panel.question is not None, "the question")
        shown = panel.question.children[0].value
        certificate = cryptography.load_certificate(manager.kwargs["cert_file"])
        for fact in cryptography.describe(certificate).values():
            assert fact in shown
        panel.question.buttons[answer].click()
        says(panel, "Connected" if answer == "Trust" else "is not trusted")
        assert pinned.exists() == (answer == "Trust")
        wait_for(lambda: panel.buttons["Connect"].disabled == (answer == "Trust"), "the button")


def test_a_login(panels):
    with LocalManager(auth_login=True, users={"n.bohr": "copenhagen"}) as manager:
        kwargs = manager.kwargs
        del kwargs["username"], kwargs["password"]
        panel = panels(ConnectPanel, **kwargs)
        fields = panel.fields
        fields["authentication"].value = "login"
        wait_for(lambda: fields["password"].layout.display == "", "the field")
        fields["username"].value = "n.bohr"
        fields["password"].value = "wrong"
        enter(fields["password"])
        says(panel, "Wrong login password")
        assert panel.client is None
        wait_for(lambda: not panel.buttons["Connect"].disabled, "the button")

        # what is not filled in is asked for
        panel.buttons["Connect"].click()
        wait_for(lambda: panel.question is not None, "the question")
        assert isinstance(panel.question.field, SecretField)
        wait_for(lambda: fields["password"].layout.display == "none", "one field for it alone")
        panel.question.field.value = "copenhagen"
        enter(panel.question.field)
        says(panel, "Connected")
        assert "username='n.bohr'" in panel.code
        for shown in (str(ipywidgets.Widget.get_manager_state()), repr(panel), repr(fields)):
            assert "copenhagen" not in shown
            assert "wrong" not in shown


def test_a_password_is_not_kept_in_the_widget(panels):
    panel = panels(ConnectPanel, username="n.bohr", password="copenhagen")
    assert "copenhagen" not in str(ipywidgets.Widget.get_manager_state())
    assert "entered" in panel.fields["password"].placeholder
    panel.fields["password"].value = "manhattan"
    wait_for(lambda: panel.fields["password"].value == "", "the field to be cleared")
    assert panel.fields["password"].take() == "manhattan"
    assert panel.fields["password"].take() is None


def test_what_is_filled_in_wrongly(panels):
    panel = panels(ConnectPanel)
    for name, value in (("port", "http"), ("port", "70000"), ("host", " ")):
        before, panel.fields[name].value = panel.fields[name].value, value
        panel.connect().result(WAIT)
        assert name.capitalize() in status(panel)
        panel.fields[name].value = before
    with pytest.raises(TypeError):
        ConnectPanel(cert="file")


def test_nobody_answers_and_the_person_gives_up(panels, manager):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        panel = panels(ConnectPanel, "127.0.0.1", port, disable_tls=True, timeout=60)
        panel.buttons["Connect"].click()
        wait_for(lambda: panel.buttons["Disconnect"].description == "Cancel", "Cancel")
        assert panel.buttons["Connect"].disabled
        panel.buttons["Disconnect"].click()
        says(panel, "Cancelled")
        wait_for(lambda: not panel.buttons["Connect"].disabled, "the button")


def test_the_manager_goes_away(panels):
    with LocalManager() as manager:
        panel = panels(ConnectPanel, **manager.kwargs)
        panel.connect().result(WAIT)
        assert panel.client is not None
    says(panel, "has ended")
    assert panel.client is None
    assert not panel.buttons["Connect"].disabled


def test_the_manager_goes_away_while_it_waits_for_an_answer(panels):
    with LocalManager(auth_login=True, users={"n.bohr": "copenhagen"}) as manager:
        kwargs = manager.kwargs
        del kwargs["username"], kwargs["password"]
        panel = panels(ConnectPanel, **kwargs)
        panel.connect()
        wait_for(lambda: panel.question is not None, "the question")
        manager.stop()
        wait_for(lambda: panel.question is None, "the end of the question")
        wait_for(lambda: not panel.buttons["Connect"].disabled, "the button")
        assert "msl-error" in panel._status.value


def test_a_changed_certificate_is_refused(panels, manager):
    with LocalManager() as other:
        kwargs = {**manager.kwargs, "cert_file": other.kwargs["cert_file"]}
        panel = panels(ConnectPanel, **kwargs)
        panel.connect().result(2 * WAIT)
        assert "Perhaps the Network Manager is using a new certificate" in status(panel)
        # both fingerprints, and what to do
        for each in (manager, other):
            certificate = cryptography.load_certificate(each.kwargs["cert_file"])
            assert cryptography.describe(certificate)["SHA-256"] in status(panel)
        assert f"delete the certificate at\n  {kwargs['cert_file']}" in status(panel)
        assert panel.question is panel.client is None
        assert not panel.buttons["Connect"].disabled


def test_what_was_asked_for_is_filled_in(panels):
    with LocalManager(auth_login=True, users={"n.bohr": "copenhagen"}) as manager:
        kwargs = manager.kwargs
        del kwargs["username"], kwargs["password"]
        panel = panels(ConnectPanel, **kwargs)
        panel.buttons["Connect"].click()
        for answer in ("n.bohr", "wrong"):
            wait_for(lambda: panel.question is not None, "the question")
            asked = panel.question
            asked.field.value = answer
            enter(asked.field)
            wait_for(lambda asked=asked: panel.question is not asked, "the answer to be taken")
        says(panel, "Wrong login password")
        # the person corrects what was wrong, and nothing else
        assert panel.fields["authentication"].value == "login"
        assert panel.fields["username"].value == "n.bohr"
        panel.fields["password"].value = "copenhagen"
        enter(panel.fields["password"])
        says(panel, "Connected to the Manager")


def test_a_password_is_not_typed_again_for_another_mistake(panels):
    with LocalManager(auth_login=True, users={"n.bohr": "copenhagen"}) as manager:
        kwargs = {**manager.kwargs, "port": 1}
        panel = panels(ConnectPanel, **kwargs)
        panel.connect().result(WAIT)
        assert "Cannot connect to 127.0.0.1:1" in status(panel)
        panel.fields["port"].value = str(manager.port)
        panel.connect().result(WAIT)
        assert "Connected to the Manager" in status(panel)


def test_a_client_that_is_there_already(panels, manager):
    with connect(name="Marie", **manager.kwargs) as client:
        panel = panels(ConnectPanel, client=client)
        says(panel, f"Connected to the Manager {client.address_manager} as Marie")
        assert panel._form.layout.display == "none"
        panel.close()
        assert client.is_connected()  # it is not the panel's to end
        panel = panels(ConnectPanel)
        panel.client = client
        says(panel, "as Marie")
        client.disconnect()
        says(panel, "has ended")
        assert panel.client is None
        assert panel._form.layout.display == ""


def test_a_client_that_has_ended_is_connected_again(panels):
    with LocalManager(auth_login=True, users={"n.bohr": "copenhagen"}) as manager:
        with connect(name="Marie", **manager.kwargs, timeout=30) as client:
            panel = panels(ConnectPanel, client=client)
            says(panel, "as Marie")
        says(panel, "has ended")
        assert panel.fields["port"].value == str(manager.port)
        assert "copenhagen" not in str(ipywidgets.Widget.get_manager_state())
        panel.connect().result(WAIT)
        assert "as Marie" in status(panel)
        assert panel.client._session.options == client._session.options
