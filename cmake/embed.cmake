# cmake -DINPUT=FILE -DOUTPUT=FILE.cpp -DNAME=kName [-DSECTION=.name] -P embed.cmake
# Makes a C++ file that holds the bytes of another, as crema::NAME and crema::NAMESize; with SECTION
# the bytes have a section of the library to themselves, where they can be read without loading it.
file(READ ${INPUT} hex HEX)
string(LENGTH "${hex}" digits)
math(EXPR bytes "${digits} / 2")
string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
set(attribute "")
if(SECTION)
  set(attribute "__attribute__((used, section(\"${SECTION}\"))) ")
endif()
file(WRITE ${OUTPUT} "#include <cstddef>\nnamespace crema {\n\
extern const unsigned char ${NAME}[];\n\
extern const size_t ${NAME}Size;\n${attribute}const unsigned char ${NAME}[] = {\n${hex}};\n\
const size_t ${NAME}Size = ${bytes};\n}\n")
