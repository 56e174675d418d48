#!/bin/sh
# The programs of the mixed workflow: slow enough to be killed in the middle, with children of their own, and with results
# that depend on nothing but their arguments and inputs.
set -eu
what=$1
shift

# Waits in a child of a child: a process that only its group holds.
linger() {
  sh -c 'sleep "$0" & wait $!' "$1" &
  wait $!
}

fill() { # folder text
  mkdir -p "$1"
  i=0
  while [ $i -lt 40 ]; do
    echo "part $i of $2" >"$1/part-$i"
    i=$((i + 1))
  done
}

metrics() { # value
  printf '{"format":"headgate-metrics","version":1,"task":"words","primary":"score","values":{"score":%s},"units":{"score":"count"},"higherIsBetter":{"score":true}}' "$1"
}

case $what in
words) # folder list metrics text
  fill "$1" "$4"
  linger 0.15
  LC_ALL=C ls "$1" >"$2"
  metrics 40 >"$3"
  ;;
slice) # folder out key
  linger 0.1
  # No pipes: a program that overlooks the death of its child gives wrong results, and no engine could know.
  for file in "$1"/part-*; do
    text=$(cat "$file")
    echo "$3 $text"
  done >"$2"
  ;;
measure) # in metrics value
  test -s "$1"
  metrics "$3" >"$2"
  ;;
deepen) # in out
  echo "deepened" >"$2.unfinished"
  linger 0.2
  cat "$1" >>"$2.unfinished"
  mv "$2.unfinished" "$2"
  ;;
flaky) # in out: every other attempt fails
  case ${HEADGATE_JOB##*/} in *[13579]) echo "not this time" >&2 && exit 7 ;; esac
  tr a-z A-Z <"$1" >"$2"
  ;;
gather) # out folder inputs...
  out=$1 folder=$2
  shift 2
  cat "$@" >"$out.all"
  sum=$(cksum <"$out.all")
  rm "$out.all"
  echo "$sum" >"$out"
  fill "$folder" "$sum"
  linger 0.1
  ;;
esac
