# cmake -DINPUT=FILE -DOUTPUT=FILE.cpp -DNAME=kName [-DSECTION=.name] -P embed.cmake
# Makes a C++ file that holds the bytes of another, as crema::NAME and crema::NAMESize. With SECTION
# they have no name, but a section of the library to themselves, where they can be read without
# loading it.
file(READ ${INPUT} hex HEX)
string(LENGTH "${hex}" digits)
math(EXPR bytes "${digits} / 2")
string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
if(SECTION)
  file(WRITE ${OUTPUT} "__attribute__((used, section(\"${SECTION}\")))\n\
static const unsigned char ${NAME}[] = {\n${hex}};\n")
else()
  file(WRITE ${OUTPUT} "#include <cstddef>\nnamespace crema {\nextern const unsigned char ${NAME}[];\n\
extern const size_t ${NAME}Size;\nconst unsigned char ${NAME}[] = {\n${hex}};\n\
const size_t ${NAME}Size = ${bytes};\n}\n")
endif()
