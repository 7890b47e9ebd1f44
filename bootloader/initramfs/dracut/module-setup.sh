#!/bin/bash
# dracut: takes along the program that mounts a deployment, its configuration, and the modules for composefs.

check() {
  require_binaries /usr/lib/ostree/ostree-prepare-root || return 1
  # Only where it is asked for.
  return 255
}

depends() {
  echo systemd
}

installkernel() {
  instmods loop erofs overlay
}

install() {
  local etc name
  inst /usr/lib/ostree/ostree-prepare-root
  inst_simple "$systemdsystemunitdir/ostree-prepare-root.service"
  # While a tree is made, its /etc may be in /usr already.
  for etc in /etc /usr/etc; do
    for name in prepare-root.conf initramfs-root-binding.key; do
      if [[ -e "$dracutsysrootdir$etc/ostree/$name" ]]; then
        inst_simple "$etc/ostree/$name" "/etc/ostree/$name"
      fi
    done
  done
  inst_simple /usr/lib/ostree/prepare-root.conf || true
  $SYSTEMCTL -q --root "$initdir" add-wants initrd-root-fs.target ostree-prepare-root.service
}
