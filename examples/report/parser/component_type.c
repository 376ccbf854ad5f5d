// World `parser` of `wit/csv.wit` in its binary form, which turns the module into a component: what exports are called
// and what their types are. `wasm-tools component embed` or `wit-bindgen c` write it from the text; it changes when
// that does, and a component that was built with another one does not fit its link any more.

__asm__(
    ".section \".custom_section.component-type:parser\",\"\",@\n"
    ".ascii \"\\000asm\\015\\000\\001\\000\\000\\031\\026wit-component\"\n"
    ".ascii \"-encoding\\004\\000\\007\\206\\001\\001A\\002\\001A\\002\\001B\\007\\001\"\n"
    ".ascii \"r\\002\\004liney\\007messages\\004\\000\\007prob\"\n"
    ".ascii \"lem\\003\\000\\000\\001ps\\001p\\002\\001j\\001\\003\\001\\001\\001@\\001\\004te\"\n"
    ".ascii \"xts\\000\\004\\004\\000\\005parse\\001\\005\\004\\000\\030exampl\"\n"
    ".ascii \"e:report/csv@1.0.0\\005\\000\\004\\000\\033e\"\n"
    ".ascii \"xample:report/parser@1.0\"\n"
    ".ascii \".0\\004\\000\\013\\014\\001\\000\\006parser\\003\\000\\000\"\n"
    ".text\n");
