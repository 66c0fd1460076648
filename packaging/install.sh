#!/bin/sh
# Installs Postern from its three packed tarballs, as a systemd service. Run it again for another version.
#
#   sh packaging/install.sh [--node FILE] [--prefix DIR] [--destdir DIR] TARBALL TARBALL TARBALL
#
#   --node FILE     the Node.js to run it with, 20.19 or newer (the one on the PATH)
#   --prefix DIR    where the programs go (/opt/postern)
#   --destdir DIR   put what goes elsewhere (/usr/local, /etc) below DIR, and touch no user and no service: for
#                   building a system's package, or for looking at it first
#
# It does not start the service: the admin password comes first, and the end of the output says how.
set -eu
umask 022

fail() {
  echo "error: $1" >&2
  [ $# -lt 2 ] || echo "hint: $2" >&2
  exit 1
}

here=$(cd "$(dirname "$0")" && pwd)
node= prefix=/opt/postern destdir=
while [ $# -gt 0 ]; do
  case $1 in
    --node | --prefix | --destdir)
      [ $# -ge 2 ] || fail "$1 takes a value"
      case $1 in --node) node=$2 ;; --prefix) prefix=$2 ;; --destdir) destdir=$2 ;; esac
      shift 2
      ;;
    -h | --help) sed -n '2,/^set -eu/{/^set/d;s/^# \{0,1\}//;p;}' "$0"; exit 0 ;;
    -*) fail "unknown option $1" "--help tells of those that there are" ;;
    *) break ;;
  esac
done
[ $# -eq 3 ] || fail "three tarballs are installed together: shared, server, client" "docs/operations.md, Install, says how they are packed"
case $prefix$destdir in *[!A-Za-z0-9/._+-]*) fail "--prefix and --destdir take letters, digits and / . _ + - only" ;; esac
case $prefix in /?*) ;; *) fail "--prefix takes a path from the root on" ;; esac
for tarball in "$@"; do [ -r "$tarball" ] || fail "$tarball cannot be read"; done
[ -n "$destdir" ] || [ "$(id -u)" = 0 ] || fail "only root may install a service" "use sudo, or look at it first with --destdir DIR"

[ -n "$node" ] || node=$(command -v node) || fail "there is no node on the PATH" "install Node.js 20.19 or newer, or give --node FILE"
node=$("$node" -p process.execPath) || fail "$node does not run"
"$node" -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
  fail "$node is older than 20.19" "give a newer one with --node FILE"
case $node in
  /home/* | /root/* | /tmp/* | /run/user/*)
    [ -n "$destdir" ] || fail "the service cannot see $node" "put Node.js below /usr or /opt, and give it with --node FILE"
    ;;
esac
# A Node.js beside which npm stands, as all that nodejs.org offers have it, brings its own.
npm=$(dirname "$node")/npm
[ -x "$npm" ] || npm=$(command -v npm) || fail "there is no npm" "it comes with Node.js, or as a package of its own"

# Whole and beside the one that is there, which then gives way: never a mixture of two versions. Nothing needs an
# install script: binaries are prebuilt.
rm -rf "$prefix/next"
mkdir -p "$prefix/bin" "$prefix/next"
PATH=$(dirname "$node"):$PATH "$npm" install --prefix "$prefix/next" --ignore-scripts --omit=dev --no-audit --no-fund "$@" >&2
rm -rf "$prefix/node_modules"
mv "$prefix/next/node_modules" "$prefix/node_modules"
rm -rf "$prefix/next"
ln -sfn "$node" "$prefix/bin/node"

root=$destdir
modules=$prefix/node_modules/@postern
bin=$root/usr/local/bin share=$root/usr/local/share
mkdir -p "$bin" "$share/man/man1" "$share/man/man8" "$share/bash-completion/completions" \
  "$share/zsh/site-functions" "$share/fish/vendor_completions.d" "$root/etc/systemd/system" "$root/etc/sysusers.d" \
  "$root/etc/tmpfiles.d"
for program in postern posternd; do
  case $program in postern) package=client section=1 ;; posternd) package=server section=8 ;; esac
  printf '#!/bin/sh\nexec %s %s "$@"\n' "$prefix/bin/node" "$modules/$package/bin/$program.js" >"$bin/$program.new"
  chmod 755 "$bin/$program.new"
  mv -f "$bin/$program.new" "$bin/$program"
  install -m 644 "$modules/$package/man/$program.$section" "$share/man/man$section/"
  install -m 644 "$modules/$package/completions/$program.bash" "$share/bash-completion/completions/$program"
  install -m 644 "$modules/$package/completions/_$program" "$share/zsh/site-functions/"
  install -m 644 "$modules/$package/completions/$program.fish" "$share/fish/vendor_completions.d/"
done
sed "s#/opt/postern/#$prefix/#g" "$here/systemd/posternd.service" >"$root/etc/systemd/system/posternd.service"
install -m 644 "$here/systemd/postern.sysusers.conf" "$root/etc/sysusers.d/postern.conf"
install -m 644 "$here/systemd/postern.tmpfiles.conf" "$root/etc/tmpfiles.d/postern.conf"
[ -z "$destdir" ] || exit 0

command -v systemctl >/dev/null || {
  echo "There is no systemd here: the programs are installed, and nothing starts them." >&2
  exit 0
}
systemd-sysusers /etc/sysusers.d/postern.conf
systemd-tmpfiles --create /etc/tmpfiles.d/postern.conf
[ ! -d /run/systemd/system ] || systemctl daemon-reload
cat >&2 <<'DONE'

Installed. Now, as root:
  1. write the admin password, which cannot be recovered, into /etc/postern/admin.password:
       (umask 077; cat >/etc/postern/admin.password)      then type it, Enter, Ctrl-D
  2. settings, where the defaults will not do:
       (umask 077; echo POSTERND_LISTEN=0.0.0.0:7465 >>/etc/postern/posternd.env)
  3. systemctl enable --now posternd
  4. journalctl -u posternd     shows the line "posternd ready" with the fingerprint
DONE
