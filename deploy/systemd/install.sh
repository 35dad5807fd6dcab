#!/usr/bin/env bash
# Installs this checkout as a service: program, settings and units. Run again it changes only what differs, and never the
# settings that are there. It enables and starts nothing: what to type for that, it says at the end.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: deploy/systemd/install.sh [--dry-run] [--root DIR]

  --dry-run    says what would be done, and does nothing
  --root DIR   installs under DIR (an image, a package): files only, no user, no packages of npm, no systemctl
TEXT
}

dry_run=no
root=
while [ $# -gt 0 ]; do
  case $1 in
    --dry-run) dry_run=yes ;;
    --root)
      root=${2:?--root takes a directory}
      shift
      ;;
    --help | -h)
      usage
      exit 0
      ;;
    *)
      usage >&2
      exit 2
      ;;
  esac
  shift
done

source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
program=$root/opt/citadel
settings=$root/etc/citadel
units=$root/etc/systemd/system
changes=0

# Says what it does, and does it unless this is a dry run.
act() {
  changes=$((changes + 1))
  echo "$1"
  shift
  if [ "$dry_run" = no ]; then "$@"; fi
}

pack() {
  tar -C "$source" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner \
    --exclude=./node_modules --exclude=./data --exclude=./.git --exclude=./.ci \
    --exclude=./test --exclude=./bench --exclude=./chaos -cf - .
}

# The new program is whole before it takes the place of the old one, which stays beside it.
copy_program() {
  rm -rf "$program.new"
  mkdir -p "$program.new"
  pack | tar -C "$program.new" --no-same-owner -xf -
  if [ -z "$root" ]; then (cd "$program.new" && node bin/setup.mjs); fi
  echo "$1" >"$program.new/.installed-from"
  rm -rf "$program.previous"
  if [ -e "$program" ]; then mv "$program" "$program.previous"; fi
  mv "$program.new" "$program"
}

make_settings() {
  install -d -m 0750 "$settings"
  install -m 0640 "$source/deploy/systemd/citadel.env.example" "$settings/citadel.env"
  if [ -z "$root" ]; then chgrp -R citadel "$settings"; fi
}

check_machine() {
  if [ -n "$root" ] || [ "$dry_run" = yes ]; then return; fi
  if [ "$(id -u)" -ne 0 ]; then
    echo 'This installs for the whole machine: run it as root (or see --dry-run).' >&2
    exit 1
  fi
  for tool in node npm systemctl; do
    if ! command -v "$tool" >/dev/null; then
      echo "This needs $tool (Node 20 or newer brings node and npm)." >&2
      exit 1
    fi
  done
}

check_machine

if [ -z "$root" ] && ! id citadel >/dev/null 2>&1; then
  act 'makes the user citadel' \
    useradd --system --user-group --home-dir /var/lib/citadel --no-create-home --shell /usr/sbin/nologin citadel
fi

version=$(pack | sha256sum | cut -d' ' -f1)
if [ "$(cat "$program/.installed-from" 2>/dev/null || true)" != "$version" ]; then
  act "installs the program to $program (the one before stays as $program.previous)" copy_program "$version"
fi

if [ ! -e "$settings/citadel.env" ]; then
  act "writes $settings/citadel.env" make_settings
fi

reload=no
for unit in citadel.service citadel-api.service citadel-worker@.service citadel.target; do
  if ! cmp -s "$source/deploy/systemd/$unit" "$units/$unit"; then
    act "installs $units/$unit" install -D -m 0644 "$source/deploy/systemd/$unit" "$units/$unit"
    reload=yes
  fi
done
if [ "$reload" = yes ] && [ -z "$root" ]; then act 'has systemd read its units again' systemctl daemon-reload; fi

if [ "$changes" -eq 0 ]; then
  echo 'Everything is as it should be; nothing was changed.'
  exit 0
fi
if [ "$dry_run" = yes ]; then
  echo 'This was a dry run: nothing was changed.'
  exit 0
fi
cat <<TEXT

Settings are in $settings/citadel.env. Then, for one process:
  systemctl enable --now citadel.service
or, for the API and its workers (REDIS_URL and DATABASE_URL set):
  systemctl enable --now citadel.target
After an update: systemctl restart the same.
TEXT
