# SPDX-License-Identifier: Apache-2.0
# awk -f contracts.awk HEADER...: reports prototypes without a contract comment directly above. A comment also covers
# the prototypes that follow without an empty line. Inline functions and types are left to the reader.

# The line without its comments; in_comment carries over to the next line.
function code_of(line,    out, at)
{
    out = ""
    while (line != "") {
        if (in_comment) {
            at = index(line, "*/")
            if (!at)
                return out
            line = substr(line, at + 2)
            in_comment = 0
            comment_ended = 1
        } else {
            at = index(line, "/*")
            if (!at)
                return out line
            out = out substr(line, 1, at - 1)
            line = substr(line, at + 2)
            in_comment = 1
        }
    }
    return out
}

# First word before a parenthesis that is not an attribute's.
function name_of(text)
{
    gsub(/__attribute__[ ]*\(\([^;]*\)\)/, "", text)
    if (!match(text, /[A-Za-z_][A-Za-z_0-9]*[ ]*\(/))
        return ""
    text = substr(text, RSTART, RLENGTH - 1)
    sub(/[ ]+$/, "", text)
    return text
}

function declaration_ends(    name)
{
    if (decl !~ /^(static|typedef|_Static_assert)[ (]/ && !has_body) {
        name = name_of(decl)
        if (name != "" && !covered) {
            print FILENAME ":" decl_line ": no contract comment above " name "()"
            bad = 1
        }
        if (name == "")
            covered = 0
    } else {
        covered = 0
    }
    decl = ""
    has_body = 0
}

FNR == 1 {
    in_comment = depth = covered = has_body = continued = 0
    decl = ""
}

{
    comment_ended = 0
    text = code_of($0)
    blank = (text ~ /^[ \t]*$/)
}

continued || (depth == 0 && decl == "" && text ~ /^[ \t]*#/) {
    continued = ($0 ~ /\\$/)
    covered = 0
    next
}

blank {
    if (depth == 0 && decl == "") {
        if (comment_ended)
            covered = 1
        else if (!in_comment)
            covered = 0
    }
    next
}

{
    if (decl == "")
        decl_line = FNR
    opens = gsub(/{/, "{", text)
    closes = gsub(/}/, "}", text)
    if (depth == 0) {
        sub(/^[ \t]+/, "", text)
        decl = decl (decl == "" ? "" : " ") text
        if (opens)
            has_body = 1
    }
    depth += opens - closes
    if (depth == 0 && (text ~ /;[ \t]*$/ || (closes && decl ~ /^static/)))
        declaration_ends()
}

END { exit bad }
