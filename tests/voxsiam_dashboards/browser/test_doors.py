"""Who is let in: our own names, our own pages, this machine."""

import socket

import pytest
from werkzeug.test import Client

from tests.voxsiam_dashboards.study_store import STUDY_ID, open_client, write_study
from voxsiam.errors import UserError
from voxsiam.page_token import ASKS, PageToken
from voxsiam_cli.app import app as program
from voxsiam_dashboards.browser.app import create_app
from voxsiam_dashboards.browser.cached_store import CachedStore
from voxsiam_dashboards.browser.routes import draw_live, draw_page
from voxsiam_dashboards.browser.serve import serve, token_door

OURS = "127.0.0.1:8050"


@pytest.fixture
def client(store, tmp_path):
    source = CachedStore(store[1], tmp_path, "http://127.0.0.1:5000")
    return create_app(source, (OURS, "localhost:8050")).server.test_client()


@pytest.mark.parametrize("path", ["/", "/style.css", "/download/0.csv/", "/_dash-layout"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": OURS}, 200),
        ({"Host": "localhost:8050"}, 200),
        ({"Host": OURS, "Origin": f"http://{OURS}"}, 200),
        # A page of elsewhere whose name was made to lead here, and one that calls us by our name.
        ({"Host": "evil.example:8050"}, 403),
        ({"Host": "127.0.0.1:80"}, 403),
        ({"Host": OURS, "Origin": "http://evil.example"}, 403),
        ({"Host": OURS, "Origin": "null"}, 403),
    ],
)
def test_other_names_and_other_pages_are_refused(client, path, headers, status):
    answer = client.get(path, headers=headers)
    assert answer.status_code == status
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_offers_nothing_that_changes_anything(client):
    """Whoever posts may only ask for parts of pages; no other method is answered."""
    methods = {
        method
        for rule in client.application.url_map.iter_rules()
        for method in rule.methods or ()
        if rule.rule != "/_dash-update-component"
    }
    assert methods <= {"GET", "HEAD", "OPTIONS", "POST"}
    posting = [r.rule for r in client.application.url_map.iter_rules() if "POST" in r.methods]
    assert posting == ["/_dash-update-component"]


@pytest.fixture
def door(store, tmp_path):
    source = CachedStore(store[1], tmp_path, "http://127.0.0.1:5000")
    page = create_app(source, (OURS,)).server
    return Client(token_door(page, PageToken("t0ken", 8050)))


@pytest.mark.parametrize(
    "path", ["/", "/study/table3", "/_dash-layout", "/style.css", "/?token=", "/?token=wrong"]
)
@pytest.mark.parametrize("shown", [{}, {"Cookie": "voxsiam-8050=x"}, {"Authorization": "Bearer"}])
def test_without_the_token_nothing_is_told(door, path, shown):
    for method in ("GET", "POST", "OPTIONS"):
        answer = door.open(path, method=method, headers={"Host": OURS, **shown})
        assert (answer.status_code, answer.text) == (403, ASKS.format(command="voxsiam dashboard"))


def test_the_link_lets_a_browser_in(door):
    answer = door.get("/study/x?token=t0ken", headers={"Host": OURS})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/study/x")
    assert door.get("/", headers={"Host": OURS}).status_code == 200
    # Of another server of this machine, which the browser shows its cookies too.
    other = Client(token_door(door.application, PageToken("t0ken", 8051)))
    assert other.get("/", headers={"Host": OURS, "Cookie": "voxsiam-8050=t0ken"}).status_code == 403


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "machine.lab"])  # noqa: S104
def test_a_bind_beyond_loopback_is_refused(tmp_path, host):
    with pytest.raises(UserError, match="who sees its link pass") as caught:
        program(["dashboard", "--workspace", str(tmp_path), "--host", host], standalone_mode=False)
    assert "ssh -N -L 8050" in caught.value.fix


def test_a_port_that_is_taken_is_told(store, tmp_path):
    source = CachedStore(store[1], tmp_path, "http://127.0.0.1:5000")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} is taken"):
            serve(source, "127.0.0.1", port, lambda _: pytest.fail("it said it was ready"))


@pytest.mark.parametrize("name", ["table3", STUDY_ID])
@pytest.mark.parametrize("rest", ["", "/cases", "/cases?row=feature+%281%29&seed=0"])
def test_a_study_may_be_addressed_by_its_name_and_its_id(tmp_path, name, rest):
    mlflow, uri = open_client(tmp_path)
    run = write_study(mlflow, tmp_path, ())
    source = CachedStore(uri, tmp_path / "cache", "http://127.0.0.1:5000")
    client = create_app(source, (OURS,)).server.test_client()
    answer = client.get(f"/study/{name}{rest}", headers={"Host": OURS})
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"/study/{run}{rest}"


def test_a_name_that_two_studies_have_leads_to_the_choices(tmp_path):
    mlflow, uri = open_client(tmp_path)
    for study_id in ("table3-tiny-1", "table3-mini-2"):
        write_study(mlflow, tmp_path, (), study_id=study_id)
    source = CachedStore(uri, tmp_path / "cache", "http://127.0.0.1:5000")
    client = create_app(source, (OURS,)).server.test_client()
    assert client.get("/study/table3", headers={"Host": OURS}).status_code == 200
    for draw in (draw_page, draw_live):
        said = str(draw(source, "/study/table3", ""))
        assert "means 2 different studies" in said
        assert "table3-tiny-1 (mini" in said
        assert "table3-mini-2 (mini" in said
    assert "there is no study" in str(draw_page(source, "/study/tabel3", ""))
    assert "there is no such page" in str(draw_page(source, "/stduy/table3", ""))
