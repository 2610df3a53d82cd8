"""The examples of proxies are taken by the programs that they are for."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import trustme

PROXY = Path(__file__).parents[1] / "deploy" / "proxy"


@pytest.mark.skipif(not shutil.which("caddy"), reason="caddy is not installed (apt-get install caddy)")
def test_caddy_takes_its_file_and_the_example_of_who_may_enter(tmp_path: Path) -> None:
    hashed = subprocess.run(["caddy", "hash-password", "--plaintext", "x"], capture_output=True, text=True, check=True)
    example = (PROXY / "access.caddy.example").read_text(encoding="utf-8")
    entry = "$2a$14$ReplaceThisWithTheOutputOfCaddyHashPassword"
    assert entry in example
    (tmp_path / "access.caddy").write_text(example.replace(entry, hashed.stdout.strip()), encoding="utf-8")
    command = ["caddy", "validate", "--adapter", "caddyfile", "--config", str(PROXY / "Caddyfile")]
    environment = os.environ | {"HOME": str(tmp_path), "SITE_ADDRESS": "health.example.com"}
    missing = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert missing.returncode != 0, "without a word on who may see the dashboard nobody may"
    environment["ACCESS_FILE"] = str(tmp_path / "access.caddy")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed (apt-get install nginx-light)")
def test_nginx_takes_its_file(tmp_path: Path) -> None:
    trustme.CA().issue_cert("health.example.com").private_key_and_cert_chain_pem.write_to_path(tmp_path / "site.pem")
    text = (PROXY / "nginx.conf").read_text(encoding="utf-8")
    for own, here in {
        "/etc/nginx/tls/health.example.com.pem": str(tmp_path / "site.pem"),
        "/etc/nginx/tls/health.example.com.key": str(tmp_path / "site.pem"),
        # Who tests need not be root.
        "listen 80;": "listen 127.0.0.1:18080;",
        "listen [::]:80;": "",
        "listen 443 ssl": "listen 127.0.0.1:18443 ssl",
        "listen [::]:443 ssl http2;": "",
    }.items():
        assert own in text
        text = text.replace(own, here)
    (tmp_path / "site.conf").write_text(text, encoding="utf-8")
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{ access_log off; include site.conf; }}\n",
        encoding="utf-8",
    )
    command = ["nginx", "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
