# SPDX-License-Identifier: Apache-2.0
# awk -f layers.awk layers.txt FILE...: reports each #include that the table does not allow. Runs in the root.

function below(path, folder)
{
    return path == folder || index(path, folder "/") == 1
}

# The table's longest folder that path lies in, or "".
function owner(path,    key, best)
{
    best = ""
    for (key in table)
        if (below(path, key) && length(key) > length(best))
            best = key
    return best
}

function listed(path, list,    n, i, words)
{
    n = split(list, words, " ")
    for (i = 1; i <= n; i++)
        if (below(path, words[i]))
            return 1
    return 0
}

function exists(path,    line, r)
{
    r = (getline line < path)
    close(path)
    return r >= 0
}

function report(text)
{
    print FILENAME ":" FNR ": " text
    bad = 1
}

function check_quoted(path)
{
    if (!exists(path))
        report("\"" path "\" is not a file of the repository; includes are relative to its root")
    else if (below(path, me))
        return
    else if (path ~ /_priv\.h$/)
        report(path " is private to its folder")
    else if (!listed(path, table[me]))
        report(me " may not include " path " (tests/style/layers.txt)")
}

FILENAME == ARGV[1] {
    if ($0 ~ /^[ \t]*(#|$)/)
        next
    colon = index($0, ":")
    key = substr($0, 1, colon - 1)
    list = substr($0, colon + 1)
    sub(/^[ \t]+/, "", list)
    if (key ~ /^</)
        third[key] = list
    else
        table[key] = list
    next
}

FNR == 1 {
    me = owner(FILENAME)
    if (me == "")
        report("no line of tests/style/layers.txt covers this file")
}

me != "" && /^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, part, "\"")
    check_quoted(part[2])
}

/^[ \t]*#[ \t]*include[ \t]*</ {
    match($0, /<[^>]*>/)
    header = substr($0, RSTART, RLENGTH)
    if ((header in third) && !listed(FILENAME, third[header]))
        report(header " may be included only by " third[header])
}

END { exit bad }
