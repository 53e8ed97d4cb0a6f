// Page of an image service or map service.

import { showMap } from "./map.js";

showMap();
