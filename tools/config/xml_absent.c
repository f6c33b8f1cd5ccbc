/* SPDX-License-Identifier: MIT */
/* In the place of xml.c in a build without libxml2. */
#include "tools/config/xml_node.h"

int xml_build(struct xml_doc *doc, char err[XML_ERR_LEN])
{
	return xml_refuse(err, doc->path, 0,
			  "this program was built without XML: install libxml2-dev, then meson "
			  "configure -Dlibvirt=enabled");
}
