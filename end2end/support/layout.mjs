// What a page looks like, measured.

// Every element whose content is wider than its room and can be scrolled to, the whole page included.
export function wideElements({ page }) {
  return page.evaluate(() =>
    [...document.querySelectorAll('*')]
      .filter((element) => {
        const scrolls = ['auto', 'scroll'].includes(getComputedStyle(element).overflowX);
        return (scrolls || element === document.documentElement) && element.scrollWidth > element.clientWidth;
      })
      .map((element) => `${element.tagName}.${element.className}: ${element.scrollWidth} > ${element.clientWidth}`),
  );
}

// What stands before the values of the first row.
export function cellLabels({ rows }) {
  return rows.first().evaluate((row) =>
    [...row.cells]
      .map((cell) => getComputedStyle(cell, '::before').content)
      .filter((content) => content !== 'none')
      .map((content) => JSON.parse(content)),
  );
}

// Whether all of them stand beside each other, none above another.
export async function areOnOneLine(locators) {
  const boxes = await Promise.all(locators.map((locator) => locator.boundingBox()));
  const middle = boxes[0].y + boxes[0].height / 2;
  return boxes.every(({ y, height }) => y < middle && middle < y + height);
}
