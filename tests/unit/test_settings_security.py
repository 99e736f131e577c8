"""TLS, SASL and Heroku's environment; no message shows a secret."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from kafka_integration.checks import check_settings
from kafka_integration.checks.certificates import find_certificate_problems
from kafka_integration.client.properties.build import admin_properties, consumer_properties, producer_properties
from kafka_integration.conf import examined, find_problems, get_settings
from kafka_integration.conf.connection import Connection, Sasl, Tls
from kafka_integration.conf.levels import Level, read_level
from kafka_integration.conf.problems import Problems
from kafka_integration.conf.section import Section
from kafka_integration.conf.security import parse_sasl, parse_tls
from tests.services.certificates import CertificateAuthority
from tests.unit.kafka_settings import problems_of

pytestmark = pytest.mark.usefixtures("project_alone")

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"
SECRET = "s3cret-of-ann"


def problems_with(settings: Any, **keys: Any) -> list[str]:
    return problems_of(settings, {"endpoints": ["h1:9092"], **keys})


@pytest.mark.parametrize(
    ("ssl", "tls"),
    [
        (True, Tls()),
        ({}, Tls()),
        (False, None),
        (None, None),
        ({"ca": "/etc/ca.pem"}, Tls(ca="/etc/ca.pem")),
        ({"ca": Path("/etc/ca.pem")}, Tls(ca="/etc/ca.pem")),
        ({"ca": CERTIFICATE}, Tls(ca=CERTIFICATE)),
        ({"ca": None, "verify": False}, Tls(verify=False)),
        ({"verify_hostname": False}, Tls(verify_hostname=False)),
        ({"cert": CERTIFICATE, "key": KEY}, Tls(cert=CERTIFICATE, key=KEY)),
    ],
)
def test_ssl_is_read(ssl: Any, tls: Tls | None, settings: Any) -> None:
    settings.KAFKA = {"endpoints": ["h1:9092"], "ssl": ssl}

    assert get_settings().connection.tls == tls


@pytest.mark.parametrize(
    ("ssl", "expected"),
    [
        ("yes", 'KAFKA["ssl"] is a str: use True, or a dict'),
        (["ca"], 'KAFKA["ssl"] is a list'),
        ({"cafile": "x"}, 'KAFKA["ssl"]["cafile"] is unknown: use "ca".'),
        ({"keyfile": "x"}, 'KAFKA["ssl"]["keyfile"] is unknown: use "key".'),
        ({"password": SECRET}, 'the password of the key is "config": {"ssl.key.password": …}'),
        ({"verify": "no"}, 'KAFKA["ssl"]["verify"] is a str: use True or False.'),
        ({"ca": ""}, 'KAFKA["ssl"]["ca"] is a str: use the path of a file, or the PEM text itself.'),
        ({"ca": 5}, 'KAFKA["ssl"]["ca"] is an int'),
        ({"cert": CERTIFICATE}, 'KAFKA["ssl"] has "cert" but no "key": a client certificate needs both.'),
        ({"key": KEY}, 'KAFKA["ssl"] has "key" but no "cert"'),
        ({"cert": CERTIFICATE, "key": CERTIFICATE}, 'KAFKA["ssl"]["key"] is PEM text, but holds no whole PRIVATE KEY.'),
        ({"ca": KEY}, 'KAFKA["ssl"]["ca"] is PEM text, but holds no whole CERTIFICATE.'),
        ({"ca": CERTIFICATE[:40]}, "holds no whole CERTIFICATE"),
        ({"ca": CERTIFICATE.replace("\n", "\\n")}, 'needs .replace("\\\\n", "\\n")'),
        ({"ca": "MIIB\nMIIC"}, "is neither a path nor PEM text"),
    ],
)
def test_a_bad_ssl_is_a_problem(ssl: Any, expected: str, settings: Any) -> None:
    problems = problems_with(settings, ssl=ssl)

    assert len(problems) == 1, problems
    assert expected in problems[0]
    assert SECRET not in problems[0]


@pytest.mark.parametrize(
    ("name", "mechanism"),
    [
        ("plain", "PLAIN"),
        ("PLAIN", "PLAIN"),
        ("scram_sha_256", "SCRAM-SHA-256"),
        ("SCRAM-SHA-512", "SCRAM-SHA-512"),
    ],
)
def test_sasl_is_read_under_kaffes_names_and_kafkas(name: str, mechanism: str, settings: Any) -> None:
    settings.KAFKA = {"endpoints": ["h1:9092"], "sasl": {"mechanism": name, "login": "ann", "password": SECRET}}

    sasl = get_settings().connection.sasl

    assert sasl == Sasl(mechanism=mechanism, login="ann", password=SECRET)
    assert SECRET not in repr(get_settings())


@pytest.mark.parametrize(
    ("sasl", "expected"),
    [
        ({"mechanism": "plain", "login": "ann", "password": ""}, '["password"] is empty'),
        ({"mechanism": "plain", "login": "ann", "password": None}, '["password"] is empty'),
        ({"mechanism": "plain", "login": "ann", "password": "  "}, '["password"] is a str'),
        ({"mechanism": "plain", "login": "ann", "password": 5}, '["password"] is an int'),
        ({"mechanism": "plain", "login": "ann"}, '["password"] is missing'),
        ({"mechanism": "plain", "login": "", "password": SECRET}, '["login"] is empty'),
        ({"login": "ann", "password": SECRET}, '["mechanism"] is missing: use one of "plain"'),
        ({"mechanism": "md5", "login": "ann", "password": SECRET}, '["mechanism"] is "md5": use one of "plain"'),
        ({"mechanism": "gssapi", "login": "ann", "password": SECRET}, 'for Kerberos leave "sasl" out'),
        ({"mechanism": 5, "login": "ann", "password": SECRET}, '["mechanism"] is an int'),
        ({"mechanism": f"{SECRET}!", "login": "ann", "password": SECRET}, '["mechanism"] is a str'),
        ({}, 'KAFKA["sasl"] is empty'),
        ("plain:ann:" + SECRET, 'KAFKA["sasl"] is a str: use a dict'),
        (["plain", "ann", SECRET], 'KAFKA["sasl"] is a list'),
        (True, 'KAFKA["sasl"] is a bool'),
        (
            {"mechanism": "plain", "login": "ann", "password": SECRET, "username": "a"},
            '["username"] is unknown: use "login".',
        ),
    ],
)
def test_incomplete_credentials_are_a_problem_and_never_silently_none(sasl: Any, expected: str, settings: Any) -> None:
    problems = problems_with(settings, sasl=sasl)

    assert len(problems) == 1, problems
    assert expected in problems[0]
    assert SECRET not in problems[0]


@pytest.mark.parametrize(("character", "expected"), [("\udcff", "isn't UTF-8"), ("\x00", "NUL")])
@pytest.mark.parametrize(
    "keys",
    [
        lambda bad: {"sasl": {"mechanism": "plain", "login": "ann", "password": bad}},
        lambda bad: {"sasl": {"mechanism": "plain", "login": bad, "password": SECRET}},
        lambda bad: {"ssl": {"ca": bad}},
        lambda bad: {"config": {"ssl.key.password": bad}, "ssl": True},
        lambda bad: {"config": {bad.removeprefix(SECRET): "x"}},
        lambda bad: {"producer": {"client_name": bad.removeprefix(SECRET)}},
    ],
)
def test_text_that_the_client_would_cut_or_not_survive_is_a_problem(
    keys: Any, character: str, expected: str, settings: Any
) -> None:
    settings.KAFKA = {"endpoints": ["h1:9092"], **keys(f"{SECRET}{character}x")}

    problems = [str(message.msg) for message in check_settings(None)]

    assert len(problems) == 1, problems
    assert expected in problems[0]
    assert SECRET not in problems[0]


def test_oauthbearer_gets_its_token_from_an_endpoint_or_a_function(settings: Any) -> None:
    sasl = {"mechanism": "oauthbearer"}

    assert problems_with(settings, sasl=sasl, config={"oauth_cb": "shop.tokens.fetch"}) == []
    assert problems_with(settings, sasl=sasl, config={"sasl.oauthbearer.token.endpoint.url": "https://x"}) == []
    assert (
        'KAFKA["sasl"] with the mechanism "oauthbearer" needs to know where tokens come from'
        in problems_with(settings, sasl=sasl)[0]
    )


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (
            {"config": {"sasl.username": "ann", "sasl.password": SECRET, "sasl.mechanism": "PLAIN"}},
            'KAFKA["config"]["sasl.username"] is given, but the connection is without authentication',
        ),
        ({"config": {"ssl.ca.location": "/etc/ca.pem"}}, "but the connection is without TLS"),
        (
            {"ssl": True, "config": {"security.protocol": "plaintext"}},
            'KAFKA["config"]["security.protocol"] is "plaintext", which leaves out "ssl": remove it.',
        ),
    ],
)
def test_security_in_raw_properties_that_nobody_would_look_at_is_a_problem(
    keys: dict[str, Any], expected: str, settings: Any
) -> None:
    problems = problems_with(settings, **keys)

    assert any(expected in problem for problem in problems), problems
    assert not any(SECRET in problem for problem in problems)


def test_security_can_be_given_in_raw_properties_whole(settings: Any) -> None:
    config = {
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "ann",
        "sasl.password": SECRET,
        "ssl.ca.location": "/etc/ca.pem",
    }

    assert problems_with(settings, config=config) == []
    assert SECRET not in repr(get_settings())


def test_no_repr_shows_what_config_holds_at_any_level(settings: Any) -> None:
    config = {"security.protocol": "sasl_ssl", "sasl.mechanism": "PLAIN", "sasl.username": "a", "sasl.password": SECRET}
    pem = CERTIFICATE + KEY.replace("MIIE", SECRET)
    consumer = {"topics": ["t"], "consumer_group": "g", "message_handler": "tests.unit.scripted.handle"}
    settings.KAFKA = {
        "endpoints": ["h1:9092"],
        "ssl": {"ca": "/etc/ca.pem", "cert": pem, "key": pem},
        "config": config,
        "producer": {"config": {"ssl.key.password": SECRET}},
        "consumers": {"c": {**consumer, "config": {"ssl.keystore.password": SECRET}}},
    }
    found = examined()
    assert found.settings is not None
    users = (found.settings, found.settings.producer, found.settings.consumers["c"])
    connections = [user.connection for user in users]
    level = read_level(Section(settings.KAFKA, "KAFKA", Problems()), Level())
    of_clients = [
        producer_properties(found.settings.producer),
        consumer_properties(found.settings.consumers["c"]),
        admin_properties(found.settings.connection),
    ]

    shown = [found, level, level.connection(), *connections, *(each.config for each in connections), *of_clients]

    assert [type(each).__name__ for each in shown if SECRET in repr(each)] == []
    assert "sasl.password" in repr(found.settings.connection.config)


def test_a_tls_url_and_ssl_false_contradict_each_other(settings: Any) -> None:
    problems = problems_of(settings, {"endpoints": "kafka+ssl://h1:9096", "ssl": False})

    assert problems == ['KAFKA["ssl"] is off, but the endpoints say kafka+ssl://: drop one of the two.']


class TestHeroku:
    ENVIRONMENT = {
        "KAFKA_URL": "kafka+ssl://h1:9096,kafka+ssl://h2:9096",
        "KAFKA_CLIENT_CERT": CERTIFICATE,
        "KAFKA_CLIENT_CERT_KEY": KEY,
        "KAFKA_TRUSTED_CERT": CERTIFICATE * 2,
    }

    @pytest.fixture(autouse=True)
    def environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in self.ENVIRONMENT.items():
            monkeypatch.setenv(name, value)

    def test_the_environment_gives_endpoints_and_certificates(self, settings: Any) -> None:
        settings.KAFKA = {"heroku_kafka_env": True}

        connection = get_settings().connection

        assert connection.servers == ("h1:9096", "h2:9096")
        assert connection.tls == Tls(
            ca=CERTIFICATE * 2,
            cert=CERTIFICATE,
            key=KEY,
            verify=True,
            verify_hostname=False,  # Heroku's certificates don't name their hosts
        )

    def test_endpoints_of_ones_own_are_not_shown_the_certificate(self, settings: Any) -> None:
        settings.KAFKA = {"heroku_kafka_env": True, "producer": {"endpoints": ["localhost:9092"]}}

        assert get_settings().producer.connection == Connection(servers=("localhost:9092",))

    @pytest.mark.parametrize("name", ENVIRONMENT)
    def test_a_missing_variable_is_named(self, name: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv(name)

        problems = problems_of(settings, {"heroku_kafka_env": True})

        assert len(problems) == 1
        assert problems[0].startswith(f'KAFKA["heroku_kafka_env"] is True, but there is no {name} in the environment')

    def test_a_variable_that_holds_something_else_is_a_problem_without_its_value(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("KAFKA_CLIENT_CERT_KEY", SECRET)

        problems = problems_of(settings, {"heroku_kafka_env": True})

        assert problems == ["The environment variable KAFKA_CLIENT_CERT_KEY is no PEM text."]

    def test_endpoints_beside_it_are_a_contradiction(self, settings: Any) -> None:
        problems = problems_of(settings, {"heroku_kafka_env": True, "endpoints": ["h1:9092"]})

        assert problems == ['KAFKA["heroku_kafka_env"] is True, and KAFKA["endpoints"] is given too: remove one.']


secrets = st.sampled_from([SECRET, f"{SECRET}\n", {"login": SECRET}, [SECRET], {SECRET: 1}, SECRET.encode()])
values = st.one_of(secrets, st.none(), st.booleans(), st.integers(), st.sampled_from(["", " ", "plain", "/etc/ca.pem"]))


@given(
    st.one_of(values, st.dictionaries(st.sampled_from(["mechanism", "login", "password", "ca", "key", "cert"]), values))
)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_problem_shows_what_stands_in_ssl_and_sasl(value: Any) -> None:
    problems = Problems()

    parse_tls(value, 'KAFKA["ssl"]', problems)
    parse_sasl(value, 'KAFKA["sasl"]', problems)

    # A secret in the place of a key is a name that was mistyped, and is shown as one.
    if not isinstance(value, dict) or SECRET not in value:
        assert not any(SECRET in str(problem) for problem in problems)


class TestFiles:
    @pytest.fixture(scope="class")
    def authority(self, tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
        if shutil.which("openssl") is None:
            pytest.skip("openssl isn't installed")
        return CertificateAuthority(tmp_path_factory.mktemp("authority"))

    def problems(self, **tls: Any) -> list[str]:
        return find_certificate_problems(Connection(servers=("h1:9092",), tls=Tls(**tls)))

    def test_a_file_that_is_not_there_is_a_problem(self, tmp_path: Path) -> None:
        path = tmp_path / "ca.pem"

        assert self.problems(ca=str(path)) == [
            f'KAFKA["ssl"]["ca"] is {path}, which can\'t be read: No such file or directory.'
        ]

    def test_a_file_of_something_else_is_a_problem_without_its_content(self, tmp_path: Path) -> None:
        path = tmp_path / "key.pem"
        path.write_text(SECRET)

        problems = self.problems(cert=str(path), key=str(path))

        assert problems == [
            f'KAFKA["ssl"]["cert"] is {path}, which holds no CERTIFICATE in PEM form.',
            f'KAFKA["ssl"]["key"] is {path}, which holds no PRIVATE KEY in PEM form.',
        ]

    def test_a_broken_certificate_is_a_problem(self, tmp_path: Path) -> None:
        path = tmp_path / "ca.pem"
        path.write_text(CERTIFICATE)

        (in_file,), (in_text,) = self.problems(ca=str(path)), self.problems(ca=CERTIFICATE)
        assert in_file.startswith(f'KAFKA["ssl"]["ca"] is {path}, which holds no usable certificate')
        assert in_text.startswith('KAFKA["ssl"]["ca"] is PEM text, which holds no usable certificate')

    def test_the_place_is_that_of_the_level_or_the_variable_it_came_from(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in TestHeroku.ENVIRONMENT.items():
            monkeypatch.setenv(name, value)
        settings.KAFKA = {
            "heroku_kafka_env": True,
            "producer": {"endpoints": ["h1:9092"], "ssl": {"ca": "/nowhere/ca.pem"}},
        }
        found = get_settings()

        (of_producer,), (of_heroku,) = (
            find_certificate_problems(found.producer.connection),
            find_certificate_problems(found.connection),
        )

        assert of_producer.startswith('KAFKA["producer"]["ssl"]["ca"] is /nowhere/ca.pem')
        assert of_heroku.startswith("The environment variable KAFKA_TRUSTED_CERT is PEM text, which holds no usable")

    def test_a_connection_without_tls_reads_nothing(self) -> None:
        assert find_certificate_problems(Connection(servers=("h1:9092",))) == []


def test_problems_are_found_without_reading_files(settings: Any) -> None:
    settings.KAFKA = {"endpoints": ["h1:9092"], "ssl": {"ca": "/nowhere/ca.pem"}}

    assert find_problems() == ()
