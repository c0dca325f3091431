#!/bin/sh
# Makes the databases that the ImageNet nets of models/ read, from your copy of ILSVRC 2012:
# ilsvrc12_train_lmdb and ilsvrc12_val_lmdb in examples/imagenet, and the mean image
# data/ilsvrc12/imagenet_mean.binaryproto, all below the repository's root or the folder named.
#   data/imagenet/create_imagenet.sh TRAIN_FOLDER VAL_FOLDER [OUT_FOLDER]
# TRAIN_FOLDER has a folder for each of the 1000 classes (n01440764 ...). So has VAL_FOLDER, or the
# variable VAL_LIST names a file with lines "ILSVRC2012_val_00000001.JPEG 65": a path below
# VAL_FOLDER and a class. Classes are numbered from 0 in the order of their names.
# CREMA names the crema program; by default it is looked for in build/release/bin, then in PATH.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
stop() {
  echo "create_imagenet.sh: $1" >&2
  exit 1
}

[ $# -ge 2 ] || stop "usage: create_imagenet.sh TRAIN_FOLDER VAL_FOLDER [OUT_FOLDER]"
train=$1
val=$2
out=${3:-$here/../..}
[ -d "$train" ] || stop "TRAIN_FOLDER is '$train', which is no folder"
[ -d "$val" ] || stop "VAL_FOLDER is '$val', which is no folder"
[ -z "${VAL_LIST:-}" ] || [ -f "$VAL_LIST" ] || stop "VAL_LIST is '$VAL_LIST', which is no file"
[ -z "${CREMA:-}" ] || command -v "$CREMA" >/dev/null || stop "CREMA is '$CREMA', which is no program"
crema=${CREMA:-$here/../../build/release/bin/crema}
command -v "$crema" >/dev/null || crema=$(command -v crema) ||
  stop "no crema program found; build it or set CREMA to its path"

# Prints "FOLDER/IMAGE CLASS" for all images of a folder of classes.
list_classes() {
  (cd "$1" && find -L . -mindepth 1 -maxdepth 1 -type d | sed 's|^\./||' | LC_ALL=C sort) |
    awk '{ print NR - 1, $0 }' | while read -r class name; do
      (cd "$1" && find -L "$name" -type f) | LC_ALL=C sort | sed "s|\$| $class|"
    done
}

# Stops where the list $1 of folder $2 is empty, or the database $3 is there already. $4 says what
# else may be done about the former.
check() {
  [ -s "$1" ] || stop "there are no images in $2; it must contain one folder per class$4"
  [ ! -e "$3" ] || stop "$3 already exists; delete it to recreate it"
}

# Makes the database $3 of the images in folder $2 that the list $1 names.
make_database() {
  "$crema" convert imageset "$2" "$1" "$3" --resize_height=256 --resize_width=256 --shuffle
}

lists=$(mktemp -d)
trap 'rm -rf "$lists"' EXIT
list_classes "$train" > "$lists/train.txt"
if [ -n "${VAL_LIST:-}" ]; then cp "$VAL_LIST" "$lists/val.txt"
else list_classes "$val" > "$lists/val.txt"
fi
train_db=$out/examples/imagenet/ilsvrc12_train_lmdb
val_db=$out/examples/imagenet/ilsvrc12_val_lmdb
check "$lists/train.txt" "$train" "$train_db" ""
check "$lists/val.txt" "$val" "$val_db" ", or VAL_LIST must name a list of its images"
mkdir -p "$out/examples/imagenet" "$out/data/ilsvrc12"
make_database "$lists/train.txt" "$train" "$train_db"
make_database "$lists/val.txt" "$val" "$val_db"
"$crema" mean "$train_db" "$out/data/ilsvrc12/imagenet_mean.binaryproto"
