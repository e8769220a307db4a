# What generate-manual writes, so that whatis(1) and groff take it: the name in the section NAME is
# that of the page, and paragraphs begin with a macro, not with an empty line.
/^\.Nm "/ {
	h
	s/^\.Nm "\(.*\) \(.*\)"$/.Nm \1.\2/
}
/^\.Nm$/ {
	G
	s/^\.Nm\n\(.\)/\1/
	s/\n$//
}
s/^$/.Pp/
